// The two functions of WASI preview 1 that the example needs, and what a failed assertion does.
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, list: usize, count: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: i32): void;

export function exit(code: i32): void {
  proc_exit(code);
  unreachable();
}

export function print(text: string, fd: i32 = 1): void {
  const bytes = String.UTF8.encode(text);
  const list: StaticArray<usize> = [changetype<usize>(bytes), bytes.byteLength];
  fd_write(fd, changetype<usize>(list), 1, memory.data(4));
}

export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  print((file || "") + ":" + line.toString() + ":" + column.toString() + ": " + (message || "abort") + "\n", 2);
  exit(134);
}
