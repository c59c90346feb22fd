/* Status codes and the one error record that a failing function fills. */
#ifndef REPAQ_ERR_H
#define REPAQ_ERR_H

#include <stddef.h>

/* The values are the program's exit codes (docs/cli.md). */
enum status {
    STATUS_OK = 0,
    STATUS_DIFFERS = 1,         /* verify: the checkpoints differ */
    STATUS_USAGE = 2,           /* the command line, or an existing destination */
    STATUS_IO = 3,              /* cannot read or write, disk full */
    STATUS_CORRUPT = 4,         /* broken or self-contradicting input */
    STATUS_UNSUPPORTED = 5,     /* valid, but repaq cannot handle it */
    STATUS_UNREPRESENTABLE = 6, /* the target cannot hold it */
    STATUS_LIMIT = 7,           /* memory, counts, header size */
    STATUS_CANCELLED = 8,       /* a signal asked for a stop; never an exit code */
};

/* "repaq: error: WHERE: WHAT" and, if there is one, "  try: REMEDY". */
struct err {
    enum status status;
    char where[600];  /* file, tensor, offset or group */
    char what[800];   /* "found X, expected Y" */
    char remedy[400]; /* "" if there is none */
};

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

/* Return early with the status of a failed call. */
#define TRY(call)                                   \
    do {                                            \
        const enum status try_status_ = (call);     \
        if (try_status_ != STATUS_OK)               \
            return try_status_;                     \
    } while (0)

/* Fills *err (err may be NULL) and returns status. Over-long text is cut with "...". Clears the remedy. */
enum status err_set(struct err *err, enum status status, const char *where, const char *format, ...) PRINTF_LIKE(4, 5);

/* Adds the remedy to an error that was just set and returns its status: `return err_try(err, "...")`. */
enum status err_try(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* err_set with strerror(error_number) appended: "cannot VERB: No space left on device". Status IO. */
enum status err_errno(struct err *err, const char *where, int error_number, const char *format, ...) PRINTF_LIKE(4, 5);

/* "corrupt", "unsupported", ...: the word for a status in --json. */
const char *err_word(enum status status);

/* Writes the two lines to text of text_size bytes, control bytes and invalid UTF-8 escaped as \xNN. Returns the length. */
size_t err_format(const struct err *err, char *text, size_t text_size);

#endif
