# To a type checker all this is the standard's.
from multiprocessing.pool import *
