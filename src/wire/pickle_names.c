/*
 * pickle_names.c - what Python 2 called modules and names.
 *
 * As Python: a pair of both is looked for first, then the module alone.  All exceptions stood in a
 * module of their own.
 */
#include "pickle_names.h"

#include <string.h>

static const struct {
    const char *module, *name, *new_module, *new_name;
} names[] = {
    { "UserDict", "IterableUserDict", "collections", "UserDict" },
    { "UserDict", "UserDict", "collections", "UserDict" },
    { "UserList", "UserList", "collections", "UserList" },
    { "UserString", "UserString", "collections", "UserString" },
    { "__builtin__", "basestring", "builtins", "str" },
    { "__builtin__", "intern", "sys", "intern" },
    { "__builtin__", "long", "builtins", "int" },
    { "__builtin__", "reduce", "functools", "reduce" },
    { "__builtin__", "unichr", "builtins", "chr" },
    { "__builtin__", "unicode", "builtins", "str" },
    { "__builtin__", "xrange", "builtins", "range" },
    { "_multiprocessing", "Connection", "multiprocessing.connection", "Connection" },
    { "_socket", "fromfd", "socket", "fromfd" },
    { "itertools", "ifilter", "builtins", "filter" },
    { "itertools", "ifilterfalse", "itertools", "filterfalse" },
    { "itertools", "imap", "builtins", "map" },
    { "itertools", "izip", "builtins", "zip" },
    { "itertools", "izip_longest", "itertools", "zip_longest" },
    { "multiprocessing", "AuthenticationError", "multiprocessing.context", "AuthenticationError" },
    { "multiprocessing", "BufferTooShort", "multiprocessing.context", "BufferTooShort" },
    { "multiprocessing", "ProcessError", "multiprocessing.context", "ProcessError" },
    { "multiprocessing", "TimeoutError", "multiprocessing.context", "TimeoutError" },
    { "multiprocessing.forking", "Popen", "multiprocessing.popen_fork", "Popen" },
    { "multiprocessing.process", "Process", "multiprocessing.context", "Process" },
    { "socket", "_socketobject", "socket", "SocketType" },
    { "urllib", "ContentTooShortError", "urllib.error", "ContentTooShortError" },
    { "urllib", "getproxies", "urllib.request", "getproxies" },
    { "urllib", "pathname2url", "urllib.request", "pathname2url" },
    { "urllib", "quote", "urllib.parse", "quote" },
    { "urllib", "quote_plus", "urllib.parse", "quote_plus" },
    { "urllib", "unquote", "urllib.parse", "unquote" },
    { "urllib", "unquote_plus", "urllib.parse", "unquote_plus" },
    { "urllib", "url2pathname", "urllib.request", "url2pathname" },
    { "urllib", "urlcleanup", "urllib.request", "urlcleanup" },
    { "urllib", "urlencode", "urllib.parse", "urlencode" },
    { "urllib", "urlopen", "urllib.request", "urlopen" },
    { "urllib", "urlretrieve", "urllib.request", "urlretrieve" },
    { "urllib2", "HTTPError", "urllib.error", "HTTPError" },
    { "urllib2", "URLError", "urllib.error", "URLError" },
    { "whichdb", "whichdb", "dbm", "whichdb" },
};

static const struct {
    const char *module, *new_module;
} modules[] = {
    { "exceptions", "builtins" },
    { "BaseHTTPServer", "http.server" },
    { "CGIHTTPServer", "http.server" },
    { "ConfigParser", "configparser" },
    { "Cookie", "http.cookies" },
    { "Dialog", "tkinter.dialog" },
    { "DocXMLRPCServer", "xmlrpc.server" },
    { "FileDialog", "tkinter.filedialog" },
    { "HTMLParser", "html.parser" },
    { "Queue", "queue" },
    { "ScrolledText", "tkinter.scrolledtext" },
    { "SimpleDialog", "tkinter.simpledialog" },
    { "SimpleHTTPServer", "http.server" },
    { "SimpleXMLRPCServer", "xmlrpc.server" },
    { "SocketServer", "socketserver" },
    { "StringIO", "io" },
    { "Tix", "tkinter.tix" },
    { "Tkconstants", "tkinter.constants" },
    { "Tkdnd", "tkinter.dnd" },
    { "Tkinter", "tkinter" },
    { "UserDict", "collections" },
    { "UserList", "collections" },
    { "UserString", "collections" },
    { "__builtin__", "builtins" },
    { "_abcoll", "collections.abc" },
    { "_elementtree", "xml.etree.ElementTree" },
    { "_winreg", "winreg" },
    { "anydbm", "dbm" },
    { "cPickle", "pickle" },
    { "cStringIO", "io" },
    { "commands", "subprocess" },
    { "cookielib", "http.cookiejar" },
    { "copy_reg", "copyreg" },
    { "dbhash", "dbm.bsd" },
    { "dbm", "dbm.ndbm" },
    { "dumbdbm", "dbm.dumb" },
    { "dummy_thread", "_dummy_thread" },
    { "gdbm", "dbm.gnu" },
    { "htmlentitydefs", "html.entities" },
    { "httplib", "http.client" },
    { "markupbase", "_markupbase" },
    { "repr", "reprlib" },
    { "robotparser", "urllib.robotparser" },
    { "test.test_support", "test.support" },
    { "thread", "_thread" },
    { "tkColorChooser", "tkinter.colorchooser" },
    { "tkCommonDialog", "tkinter.commondialog" },
    { "tkFileDialog", "tkinter.filedialog" },
    { "tkFont", "tkinter.font" },
    { "tkMessageBox", "tkinter.messagebox" },
    { "tkSimpleDialog", "tkinter.simpledialog" },
    { "ttk", "tkinter.ttk" },
    { "urllib2", "urllib.request" },
    { "urlparse", "urllib.parse" },
    { "whichdb", "dbm" },
    { "xmlrpclib", "xmlrpc.client" },
};

static bool
is(struct kith__span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static struct kith__span
span_of(const char *text)
{
    return (struct kith__span){ (const uint8_t *)text, strlen(text) };
}

void
kith__pickle_rename(struct kith__span *module, struct kith__span *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is(*module, names[i].module) && is(*name, names[i].name)) {
            *module = span_of(names[i].new_module);
            *name = span_of(names[i].new_name);
            return;
        }
    }
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        if (is(*module, modules[i].module)) {
            *module = span_of(modules[i].new_module);
            return;
        }
    }
}
