"""CPython's tests of multiprocessing, over kith.multiprocessing, with the start method spawn."""
import cpython_suite

cpython_suite.install_tests_in_module_dict(globals(), "spawn")
