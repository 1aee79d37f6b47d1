/* What Rust's standard library refers to and an older wasi-libc lacks: there are no threads, no file modes and no
 * real paths in WASI preview 1, and each of these says so. Weak, so that a libc's own function always wins. */

#include <errno.h>

#define ABSENT __attribute__((weak))

/* The library panics when these fail; that there are no threads is for `pthread_create` to say. */
ABSENT int pthread_attr_init(void *attributes) { (void)attributes; return 0; }
ABSENT int pthread_attr_destroy(void *attributes) { (void)attributes; return 0; }
ABSENT int pthread_attr_setstacksize(void *attributes, unsigned long size) {
  (void)attributes, (void)size;
  return 0;
}
ABSENT int pthread_create(void *thread, const void *attributes, void *(*start)(void *), void *argument) {
  (void)thread, (void)attributes, (void)start, (void)argument;
  return ENOTSUP;
}
ABSENT int pthread_detach(void *thread) { (void)thread; return ENOTSUP; }
ABSENT int pthread_join(void *thread, void **value) { (void)thread, (void)value; return ENOTSUP; }

ABSENT int chmod(const char *path, unsigned mode) {
  (void)path, (void)mode;
  errno = ENOSYS;
  return -1;
}
ABSENT int fchmod(int fd, unsigned mode) {
  (void)fd, (void)mode;
  errno = ENOSYS;
  return -1;
}
ABSENT char *realpath(const char *path, char *resolved) {
  (void)path, (void)resolved;
  errno = ENOSYS;
  return (char *)0;
}
