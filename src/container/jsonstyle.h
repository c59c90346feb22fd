/* The layout of JSON text: blanks and line ends between the tokens, never the tokens themselves. */
#ifndef REPAQ_JSONSTYLE_H
#define REPAQ_JSONSTYLE_H

#include "base/text.h"

#include <stdbool.h>

struct jsonstyle {
    bool lines;          /* one member or element a line, as json.dump(indent=) does; else all on one line */
    struct slice newline; /* lines: "\n" or "\r\n" */
    struct slice base;   /* lines: indentation of the line that the value begins on */
    struct slice unit;   /* lines: one level of indentation */
    struct slice comma;  /* not lines: "," or ", " */
    struct slice colon;  /* ":" or ": " */
};

/* Appends a valid JSON value in this style; blanks that it has between tokens are dropped, {} and [] stay together. */
void jsonstyle_write(struct slice value, const struct jsonstyle *style, struct text *text);

#endif
