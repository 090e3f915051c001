/*
 * libc's ways to an operating system, of which a plugin has none: what is printed goes nowhere, and exit() ends the call by
 * a trap. snprintf, strtod and assert need them to be there. What else libc would ask of a system, `pintle plugin build`
 * refuses; the contract has a clock, random bytes and a log.
 */

#include <stdint.h>

/* EBADF, as WASI counts. */
#define NO_SUCH_FILE 8

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) {
    (void)file;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t file, int32_t stat) {
    (void)file, (void)stat;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t position) {
    (void)file, (void)offset, (void)whence, (void)position;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t parts, int32_t count, int32_t written) {
    (void)file, (void)parts, (void)count, (void)written;
    return NO_SUCH_FILE;
}

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code) {
    (void)code;
    __builtin_trap();
}
