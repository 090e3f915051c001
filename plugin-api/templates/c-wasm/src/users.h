/* The users themselves, without anything of the plugin contract: it runs anywhere. */
#ifndef USERS_H
#define USERS_H

#include "pintle_json.h"

/* Somebody else's UTF-8: it has a length, may hold NUL, and no NUL follows it. */
typedef struct text {
    const char *bytes;
    size_t length;
} text;

/* What is wrong with a config, each fault NUL-terminated and with its key. All zero is none; more are not kept. */
#define FAULTS_MAX 64
typedef struct faults {
    char *texts[FAULTS_MAX];
    size_t count;
} faults;

void faults_free(faults *faults);

/* {"users": [{"name", "password_hash", "disabled"?}, ...]}, as a value for pintle_json_free; NULL where there are faults. */
pintle_json *users_read(text json, faults *faults);

typedef enum verdict {
    VERDICT_ACCEPTED,
    VERDICT_UNKNOWN, /* somebody else's user: the next backend is asked */
    VERDICT_WRONG_PASSWORD,
    VERDICT_DISABLED,
    VERDICT_NO_ANSWER /* `matches` had none */
} verdict;

/* Whether a password is that of `hash`: 1, 0, or -1 where there is no answer. */
typedef int matches(void *state, text hash);

/* Whether the proof is the user's. `username` is NULL where none was given. */
verdict users_verify(const pintle_json *config, const text *username, text kind, matches *matches, void *state);

#endif
