"""CPython's tests of multiprocessing, over kith.multiprocessing, by the start method forkserver."""
import cpython_suite

cpython_suite.install_tests_in_module_dict(globals(), "forkserver")
