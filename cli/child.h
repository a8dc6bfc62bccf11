/*
 * child.h - the command that a verb runs under "--".
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include "cli.h"

enum {
    CLI_NOT_EXECUTABLE = 126, /* the command was found, and cannot be run */
    CLI_NOT_FOUND = 127,      /* there is no such command */
    CLI_SIGNALLED = 128       /* and the number of the signal that ended it */
};

/*
 * Cuts the words at the first "--": *argc becomes how many stand before it, and what is given back
 * is the command, whose words end with a NULL as argv does.  NULL if there is no "--", or nothing
 * after it.
 */
char **cli_command(int *argc, char **argv);

/*
 * Runs the command and waits for its end.  Its own exit status; 128 and its number if a signal
 * ended it; 126 or 127, after a sentence, if it could not be started.
 *
 * Nothing of this program's spaces is handed on to it.  Signals that somebody sends to this program
 * are passed on to the command; those that a terminal sends reach both without our help.  Should
 * this program be killed, the command gets SIGTERM, for it would go on with nothing to protect it.
 */
int cli_run_command(char *const argv[]);

/*
 * Makes this process the command.  Comes back only if that could not be: 126 or 127, after a
 * sentence.
 */
int cli_become_command(char *const argv[]);

#endif /* CLI_CHILD_H */
