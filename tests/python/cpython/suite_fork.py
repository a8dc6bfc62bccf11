"""CPython's tests of multiprocessing, over kith.multiprocessing, with the start method fork."""
import cpython_suite

cpython_suite.install_tests_in_module_dict(globals(), "fork")
