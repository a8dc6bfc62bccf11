# To a type checker all this is the standard's.
from multiprocessing import *
from multiprocessing import connection as connection
from multiprocessing import context as context
from multiprocessing import managers as managers
from multiprocessing import pool as pool
from multiprocessing import process as process
from multiprocessing import queues as queues
from multiprocessing import shared_memory as shared_memory
from multiprocessing import sharedctypes as sharedctypes
from multiprocessing import synchronize as synchronize
