// Records what a process does to the files of one folder, for the power-cut test; kills it at a chosen call.
//
// Preloaded. PINTLE_RECORD_FOLDER is the folder, PINTLE_RECORD_LOG where the record is appended (optional),
// PINTLE_RECORD_KILL the number of the call before which the process is killed (optional). One lock around the real call
// and its record makes their orders the same. sync_file_range is not recorded: it promises nothing after a power cut.
//
// A record: kind (1 byte), descriptor (4), number (8), length (4), that many bytes; little endian.

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define AT_CURSOR UINT64_MAX
#define DESCRIPTORS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char tracked[DESCRIPTORS];
static const char *folder;
static size_t folder_length;
static int log_file = -1;
static long calls_left = -1;

__attribute__((constructor)) static void start(void) {
    folder = getenv("PINTLE_RECORD_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    const char *kill_at = getenv("PINTLE_RECORD_KILL");
    if (kill_at) calls_left = atol(kill_at);
    const char *log_path = getenv("PINTLE_RECORD_LOG");
    if (log_path) log_file = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log_path && log_file < 0) abort();
}

static int within(const char *path) {
    return folder && strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || !path[folder_length]);
}

static int is_tracked(int fd) { return fd >= 0 && fd < DESCRIPTORS && tracked[fd]; }

static void append(const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = syscall(SYS_write, log_file, bytes, length);
        if (written < 0) abort();
        bytes = (const char *)bytes + written;
        length -= written;
    }
}

static void record(char kind, int fd, uint64_t number, const void *bytes, uint32_t length) {
    if (log_file < 0) return;
    char header[17];
    header[0] = kind;
    memcpy(header + 1, &fd, 4);
    memcpy(header + 5, &number, 8);
    memcpy(header + 13, &length, 4);
    append(header, sizeof header);
    append(bytes, length);
}

static void count(void) {
    if (calls_left >= 0 && calls_left-- == 0) kill(getpid(), SIGKILL);
}

static void full_path(int dir, const char *path, char *full) {
    full[0] = 0;
    if (path[0] != '/' && dir != AT_FDCWD) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t length = readlink(link, full, PATH_MAX - 1);
        full[length > 0 ? length : 0] = 0;
        strncat(full, "/", PATH_MAX - strlen(full) - 1);
    }
    strncat(full, path, PATH_MAX - strlen(full) - 1);
}

static int open_recorded(int dir, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    full_path(dir, path, full);
    pthread_mutex_lock(&lock);
    int recorded = within(full);
    if (recorded && (flags & (O_CREAT | O_TRUNC))) count();
    int fd = syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) tracked[fd] = recorded;
    if (fd >= 0 && recorded) record('O', fd, flags, full, strlen(full));
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags)                                 \
    mode_t mode = 0;                                \
    if ((flags) & (O_CREAT | O_TMPFILE)) {          \
        va_list arguments;                          \
        va_start(arguments, flags);                 \
        mode = va_arg(arguments, mode_t);           \
        va_end(arguments);                          \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_recorded(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_recorded(dir, path, flags, mode); }

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (is_tracked(fd)) {
        tracked[fd] = 0;
        record('C', fd, 0, "", 0);
    }
    int result = syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t write_recorded(int fd, const void *bytes, size_t length, uint64_t offset) {
    pthread_mutex_lock(&lock);
    count();
    ssize_t written = offset == AT_CURSOR ? syscall(SYS_write, fd, bytes, length)
                                          : syscall(SYS_pwrite64, fd, bytes, length, (off_t)offset);
    if (written > 0) record('W', fd, offset, bytes, written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!is_tracked(fd)) return syscall(SYS_write, fd, bytes, length);
    return write_recorded(fd, bytes, length, AT_CURSOR);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    if (!is_tracked(fd)) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    return write_recorded(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

// Vectored writes would be missed: a short write of the first part is allowed, and its record is exact.
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!is_tracked(fd)) return syscall(SYS_writev, fd, parts, count);
    return count > 0 ? write_recorded(fd, parts[0].iov_base, parts[0].iov_len, AT_CURSOR) : 0;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    if (!is_tracked(fd)) return syscall(SYS_pwritev, fd, parts, count, offset, 0);
    return count > 0 ? write_recorded(fd, parts[0].iov_base, parts[0].iov_len, offset) : 0;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(fd, parts, count, offset);
}

static int finish(int result, char kind, int fd, uint64_t number, const char *bytes, uint32_t length) {
    if (result == 0) record(kind, fd, number, bytes, length);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t length) {
    if (!is_tracked(fd)) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    count();
    return finish(syscall(SYS_ftruncate, fd, length), 'T', fd, length, "", 0);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_recorded(int fd, int call, char kind) {
    if (!is_tracked(fd)) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    count();
    return finish(syscall(call, fd), kind, fd, 0, "", 0);
}

int fsync(int fd) { return sync_recorded(fd, SYS_fsync, 'F'); }
int fdatasync(int fd) { return sync_recorded(fd, SYS_fdatasync, 'D'); }

int rename(const char *from, const char *to) {
    if (!within(from) && !within(to)) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    char names[2 * PATH_MAX + 1];
    int length = snprintf(names, sizeof names, "%s%c%s", from, 0, to);
    pthread_mutex_lock(&lock);
    count();
    return finish(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), 'R', -1, 0, names, length);
}

int unlinkat(int dir, const char *path, int flags) {
    char full[PATH_MAX];
    full_path(dir, path, full);
    if (!within(full)) return syscall(SYS_unlinkat, dir, path, flags);
    pthread_mutex_lock(&lock);
    count();
    return finish(syscall(SYS_unlinkat, dir, path, flags), 'U', -1, 0, full, strlen(full));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    if (!within(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    count();
    return finish(syscall(SYS_mkdirat, AT_FDCWD, path, mode), 'M', -1, 0, path, strlen(path));
}
