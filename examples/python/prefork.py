"""A web server with N forked workers, in the place of gunicorn or uWSGI for the examples beside it.

The first process opens the socket, forks the workers, and forks another when one ends.  A worker
serves one request at a time by a WSGI application, which any other server could run as it is.  One
child more is the client, which tries it all out; when it ends everything does.
"""

import concurrent.futures
import ctypes
import http.client
import os
import select
import signal
import socket
import sys
import traceback
import wsgiref.simple_server

TIME_LIMIT_S = 50  # for all of it


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Writes no line for each request, and gives a client that says nothing up."""

    timeout = 20

    def log_message(self, *_):
        pass


class Server(wsgiref.simple_server.WSGIServer):
    """The server of one worker, on the socket that all have."""

    def __init__(self, listener, application):
        super().__init__(listener.getsockname(), Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()
        self.setup_environ()
        self.set_app(application)

    def handle_error(self, *_):
        pass  # the client went away


def fork(function, *arguments):
    """The pid of a child that calls function(*arguments), and that dies with this process."""
    sys.stdout.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() == parent:
            function(*arguments)
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def run(application, client, workers=4, at_start=None):
    """Serves while client(address) runs; raises if that failed.

    at_start: what every worker calls first.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def serve():
        if at_start is not None:
            at_start()
        server = Server(listener, application)
        while True:
            server.handle_request()

    running = {fork(serve) for _ in range(workers)}
    tester = fork(client, listener.getsockname())
    signal.alarm(TIME_LIMIT_S)
    try:
        while True:
            pid, status = os.wait()
            if pid == tester:
                break
            running.discard(pid)
            running.add(fork(serve))
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        for pid in running:
            os.waitpid(pid, 0)
        signal.alarm(0)
        listener.close()
    if status != 0:
        raise SystemExit(f"The client failed: status {os.waitstatus_to_exitcode(status)}.")


def answer(start_response, text, status="200 OK"):
    """What a WSGI application returns."""
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"),
                            ("X-Worker", str(os.getpid()))])
    return [text.encode()]


# ---- for the client

def fetch(address, path):
    """(status, text, pid of the worker); (None, "", None) if the worker died over it."""
    host, port = address
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), int(response.headers["X-Worker"])
    except (ConnectionError, http.client.HTTPException):
        return None, "", None
    finally:
        connection.close()


def fetch_together(address, paths):
    """Asks for all of them at once; a list of futures of fetch()."""
    pool = concurrent.futures.ThreadPoolExecutor(len(paths))
    futures = [pool.submit(fetch, address, path) for path in paths]
    pool.shutdown(wait=False)
    return futures


def kill(pid):
    """Kills a worker, and returns when it is dead; another is forked in its place."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)
