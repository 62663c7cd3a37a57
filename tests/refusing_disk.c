/* A disk that lacks calls, for test_refusing_disk.py: loaded before the C library, it answers them with errors.

   REFUSING_DISK  the folder, as realpath gives it
   REFUSED_CALLS  KIND=ERRNO,... of the kinds chmod, utime, link, symlink, fsync, flock, statvfs
   REFUSED_LOG    a file elsewhere, which gets the kind of each call that was refused */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utime.h>

static int number_of(const char *kind)
{
    const char *place = getenv("REFUSED_CALLS");
    size_t length = strlen(kind);
    for (; place && *place; place = strchr(place, ',') ? strchr(place, ',') + 1 : NULL)
        if (!strncmp(place, kind, length) && place[length] == '=')
            return atoi(place + length + 1);
    return 0;
}

/* Returns whether a call is refused; errno is set then. */
static int refuses(const char *kind, const char *path)
{
    const char *disk = getenv("REFUSING_DISK"), *log = getenv("REFUSED_LOG");
    size_t length = disk ? strlen(disk) : 0;
    int number = number_of(kind), file;
    if (!number || !length || strncmp(path, disk, length) || (path[length] && path[length] != '/'))
        return 0;
    if (log && (file = open(log, O_WRONLY | O_APPEND | O_CREAT, 0666)) >= 0) {
        dprintf(file, "%s\n", kind);
        close(file);
    }
    errno = number;
    return 1;
}

static int refuses_file(const char *kind, int file)
{
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return refuses(kind, path);
}

static int refuses_path(const char *kind, int folder, const char *given, int is_new)
{
    char path[PATH_MAX], place[PATH_MAX];
    if (!given)
        return refuses_file(kind, folder);
    if (*given == '/' || folder == AT_FDCWD)
        snprintf(path, sizeof path, "%s", given);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, given);
    return realpath(is_new ? dirname(path) : path, place) && refuses(kind, place);
}

#define CALL(name, parameters, refused, arguments)                              \
    int name parameters                                                         \
    {                                                                           \
        if (refused)                                                            \
            return -1;                                                          \
        return ((int(*) parameters) dlsym(RTLD_NEXT, #name)) arguments;         \
    }
#define OF_FILE(kind) refuses_file(kind, file)
#define OF_PATH(kind) refuses_path(kind, AT_FDCWD, path, 0)
#define OF_PLACE(kind) refuses_path(kind, folder, path, 0)
#define OF_NEW(kind, folder) refuses_path(kind, folder, path, 1)

CALL(chmod, (const char *path, mode_t mode), OF_PATH("chmod"), (path, mode))
CALL(fchmod, (int file, mode_t mode), OF_FILE("chmod"), (file, mode))
CALL(fchmodat, (int folder, const char *path, mode_t mode, int flags), OF_PLACE("chmod"), (folder, path, mode, flags))
CALL(utime, (const char *path, const struct utimbuf *times), OF_PATH("utime"), (path, times))
CALL(utimes, (const char *path, const struct timeval times[2]), OF_PATH("utime"), (path, times))
CALL(futimens, (int file, const struct timespec times[2]), OF_FILE("utime"), (file, times))
CALL(utimensat, (int folder, const char *path, const struct timespec times[2], int flags), OF_PLACE("utime"),
     (folder, path, times, flags))
CALL(link, (const char *from, const char *path), OF_NEW("link", AT_FDCWD), (from, path))
CALL(linkat, (int source, const char *from, int folder, const char *path, int flags), OF_NEW("link", folder),
     (source, from, folder, path, flags))
CALL(symlink, (const char *from, const char *path), OF_NEW("symlink", AT_FDCWD), (from, path))
CALL(symlinkat, (const char *from, int folder, const char *path), OF_NEW("symlink", folder), (from, folder, path))
CALL(fsync, (int file), OF_FILE("fsync"), (file))
CALL(fdatasync, (int file), OF_FILE("fsync"), (file))
CALL(flock, (int file, int operation), OF_FILE("flock"), (file, operation))
CALL(statvfs, (const char *path, struct statvfs *found), OF_PATH("statvfs"), (path, found))
CALL(statvfs64, (const char *path, struct statvfs64 *found), OF_PATH("statvfs"), (path, found))
CALL(fstatvfs, (int file, struct statvfs *found), OF_FILE("statvfs"), (file, found))
CALL(fstatvfs64, (int file, struct statvfs64 *found), OF_FILE("statvfs"), (file, found))
CALL(statfs, (const char *path, struct statfs *found), OF_PATH("statvfs"), (path, found))
CALL(statfs64, (const char *path, struct statfs64 *found), OF_PATH("statvfs"), (path, found))
