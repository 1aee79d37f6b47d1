/* A guest that tries one thing on a path: exits with 0 when it could, else prints why not and exits with 1. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(const char *path) {
  char bytes[4096];
  int file = open(path, O_RDONLY);
  ssize_t size = file < 0 ? -1 : read(file, bytes, sizeof bytes);
  if (size > 0) fwrite(bytes, 1, (size_t)size, stdout);
  return size < 0 ? -1 : 0;
}

static int write_to(const char *path, int flags) {
  int file = open(path, flags, 0666);
  return file < 0 || write(file, "new", 3) != 3 ? -1 : 0;
}

static int list(const char *path) {
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) puts(entry->d_name);
  return folder ? 0 : -1;
}

static int change_times(const char *path, int is_by_file) {
  const struct timespec times[2] = {{1, 0}, {1, 0}};
  int file = is_by_file ? open(path, O_RDONLY) : -1;
  return is_by_file ? futimens(file, times) : utimensat(AT_FDCWD, path, times, 0);
}

static int attempt(const char *what, const char *path, const char *other) {
  struct stat found;
  if (!strcmp(what, "read")) return read_all(path);
  if (!strcmp(what, "list")) return list(path);
  if (!strcmp(what, "stat")) return stat(path, &found);
  if (!strcmp(what, "write")) return write_to(path, O_WRONLY);
  if (!strcmp(what, "append")) return write_to(path, O_RDWR | O_APPEND);
  if (!strcmp(what, "create")) return write_to(path, O_WRONLY | O_CREAT | O_EXCL);
  if (!strcmp(what, "create-to-read")) return open(path, O_RDONLY | O_CREAT, 0666) < 0 ? -1 : 0;
  if (!strcmp(what, "truncate")) return write_to(path, O_WRONLY | O_TRUNC);
  if (!strcmp(what, "truncate-to-read")) return open(path, O_RDONLY | O_TRUNC) < 0 ? -1 : 0;
  if (!strcmp(what, "unlink")) return unlink(path);
  if (!strcmp(what, "mkdir")) return mkdir(path, 0777);
  if (!strcmp(what, "rmdir")) return rmdir(path);
  if (!strcmp(what, "rename")) return rename(path, other);
  if (!strcmp(what, "link")) return link(path, other);
  if (!strcmp(what, "symlink")) return symlink(path, other);
  if (!strcmp(what, "utimes")) return change_times(path, 0);
  if (!strcmp(what, "futimes")) return change_times(path, 1);
  errno = ENOSYS;
  return -1;
}

int main(int count, char **words) {
  if (attempt(words[1], words[2], count > 3 ? words[3] : "") >= 0) return 0;
  printf("%s", strerror(errno));
  return 1;
}
