//! Reads and writes by io_uring: requests go into a ring shared with the kernel. One
//! system call submits many of them, and waits for completions.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use super::pipes::{self, Ends};
use super::{Error, Plan, Run};

/// Checks whether io_uring is available.
///
/// # Errors
/// Returns [`Error::NoIoUring`] with the kernel's error.
pub fn check() -> Result<(), Error> {
    match Rings::new(1) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::NoIoUring { source }),
    }
}

/// Runs a thread ring by io_uring, on this thread.
///
/// # Errors
/// Returns an error if a system call, a read or a write fails.
pub fn run(plan: &Plan) -> io::Result<Run> {
    let ring = pipes::pipes(plan.stages)?;
    pipes::lay_messages(plan, &ring)?;
    // One that is not a power of two is rounded up by the kernel.
    let mut rings = Rings::new(u32::try_from(plan.stages.min(4096)).unwrap_or(4096))?;
    let mut rooms = vec![0_u8; plan.stages * plan.buffer];
    let run = pipes::on_this_thread(|| relay(plan, &ring, &mut rings, &mut rooms));
    if run.is_err() {
        // The kernel may still write to them.
        mem::forget(rooms);
    }
    run
}

fn relay(plan: &Plan, ring: &[Ends], rings: &mut Rings, rooms: &mut [u8]) -> io::Result<()> {
    let mut left = vec![plan.hops_each; plan.stages];
    let rooms: Vec<*mut u8> = rooms
        .chunks_mut(plan.buffer)
        .map(<[u8]>::as_mut_ptr)
        .collect();
    let read = |stage: usize, left: usize| Request {
        operation: Operation::Read,
        stage,
        fd: ring[stage].0.as_raw_fd(),
        room: rooms[stage],
        bytes: plan.buffer.min(left),
    };
    let write = |stage: usize, bytes: usize| Request {
        operation: Operation::Write,
        stage,
        fd: ring[stage].1.as_raw_fd(),
        room: rooms[stage],
        bytes,
    };
    let mut pending = plan.stages;
    for stage in 0..plan.stages {
        // SAFETY: as below.
        unsafe { rings.push(&read(stage, plan.hops_each))? };
    }
    while pending > 0 {
        rings.submit_and_wait(1)?;
        while let Some((operation, stage, result)) = rings.completed() {
            pending -= 1;
            let bytes =
                usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
            match operation {
                Operation::Read if bytes == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Operation::Read => {
                    left[stage] -= bytes;
                    // SAFETY: a stage's room is used by one request at a time (its write, then its next read),
                    // outlives them all (`pending` ends at 0, or the caller keeps it for ever), and has room
                    // for so many bytes. The descriptors are open as long.
                    unsafe { rings.push(&write(stage, bytes))? };
                    pending += 1;
                }
                // A pipe takes all of so few bytes, or none.
                Operation::Write if left[stage] > 0 => {
                    // SAFETY: as above.
                    unsafe { rings.push(&read(stage, left[stage]))? };
                    pending += 1;
                }
                Operation::Write => {}
            }
        }
    }
    Ok(())
}

/// A request to the kernel.
struct Request {
    operation: Operation,
    stage: usize,
    fd: libc::c_int,
    room: *mut u8,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
}

/// The two rings: of submissions, and of completions.
struct Rings {
    kernel: OwnedFd,
    /// The memory of both rings.
    memory: Mapping,
    entries: Mapping,
    asked: AskedOffsets,
    done: DoneOffsets,
    /// The number of requests not submitted yet.
    unsubmitted: u32,
}

impl Rings {
    fn new(entries: u32) -> io::Result<Self> {
        let mut parameters = Parameters::default();
        // SAFETY: the parameters live until the call returns, and are laid out as the kernel's; a non-negative
        // result is a new descriptor that nobody else owns.
        let kernel = unsafe {
            let fd = libc::syscall(libc::SYS_io_uring_setup, entries, &raw mut parameters);
            match libc::c_int::try_from(fd) {
                Ok(fd) if fd >= 0 => OwnedFd::from_raw_fd(fd),
                _ => return Err(io::Error::last_os_error()),
            }
        };
        // Reads and writes are as young as this feature (Linux 5.6), which says that they can be had.
        const RW_CUR_POS: u32 = 1 << 3;
        const SINGLE_MMAP: u32 = 1 << 0;
        if parameters.features & (SINGLE_MMAP | RW_CUR_POS) != SINGLE_MMAP | RW_CUR_POS {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        let (asked, done) = (parameters.asked, parameters.done);
        let size = |offset: u32, count: u32, each: usize| offset as usize + count as usize * each;
        let bytes = size(asked.array, parameters.asked_entries, size_of::<u32>()).max(size(
            done.entries,
            parameters.done_entries,
            size_of::<Completion>(),
        ));
        let entries = parameters.asked_entries as usize * size_of::<Entry>();
        Ok(Self {
            memory: Mapping::new(&kernel, 0, bytes)?,
            entries: Mapping::new(&kernel, 0x1000_0000, entries)?,
            kernel,
            asked,
            done,
            unsubmitted: 0,
        })
    }

    /// Adds a request, which the next [`Rings::submit_and_wait`] submits.
    ///
    /// # Safety
    /// The buffer holds that many bytes, nothing else uses it, and it and the descriptor stay until completion.
    unsafe fn push(&mut self, request: &Request) -> io::Result<()> {
        let mask = self.word(self.asked.mask).load(Ordering::Relaxed);
        let tail = self.word(self.asked.tail).load(Ordering::Relaxed);
        // Acquire: what the kernel has read may be overwritten.
        if tail.wrapping_sub(self.word(self.asked.head).load(Ordering::Acquire)) > mask {
            self.submit_and_wait(0)?;
        }
        let index = tail & mask;
        let entry = Entry {
            opcode: match request.operation {
                Operation::Read => 22,
                Operation::Write => 23,
            },
            fd: request.fd,
            // As read(2) and write(2): where the file is at.
            offset: u64::MAX,
            address: request.room.expose_provenance() as u64,
            bytes: u32::try_from(request.bytes).unwrap_or(u32::MAX),
            user_data: (request.stage as u64) << 1
                | u64::from(request.operation == Operation::Write),
            ..Entry::default()
        };
        // SAFETY: the index is below the number of entries, and the kernel has read what was there (above).
        unsafe {
            self.entries.at::<Entry>(0).add(index as usize).write(entry);
            self.memory
                .at::<u32>(self.asked.array)
                .add(index as usize)
                .write(index);
        }
        // Release: the kernel sees the entry before the tail.
        self.word(self.asked.tail)
            .store(tail.wrapping_add(1), Ordering::Release);
        self.unsubmitted += 1;
        Ok(())
    }

    /// Submits all requests, and waits until `done` requests are completed, in one system call.
    fn submit_and_wait(&mut self, done: u32) -> io::Result<()> {
        const GETEVENTS: u32 = 1;
        loop {
            // SAFETY: the descriptor is open; no memory is passed but what the entries say, whose validity
            // `push` was promised.
            let submitted = unsafe {
                libc::syscall(
                    libc::SYS_io_uring_enter,
                    self.kernel.as_raw_fd(),
                    self.unsubmitted,
                    done,
                    GETEVENTS,
                    ptr::null::<libc::sigset_t>(),
                    0_usize,
                )
            };
            if let Ok(submitted) = u32::try_from(submitted) {
                self.unsubmitted -= submitted;
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Returns the next completion: its operation, its stage and its result.
    fn completed(&mut self) -> Option<(Operation, usize, i32)> {
        let mask = self.word(self.done.mask).load(Ordering::Relaxed);
        let head = self.word(self.done.head).load(Ordering::Relaxed);
        // Acquire: the completion was written before the tail.
        if head == self.word(self.done.tail).load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the index is below the number of completions, and this one is written (above).
        let completion = unsafe {
            self.memory
                .at::<Completion>(self.done.entries)
                .add((head & mask) as usize)
                .read()
        };
        // Release: it has been read before the kernel may write another there.
        self.word(self.done.head)
            .store(head.wrapping_add(1), Ordering::Release);
        let operation = if completion.user_data & 1 == 0 {
            Operation::Read
        } else {
            Operation::Write
        };
        let stage = usize::try_from(completion.user_data >> 1).ok()?;
        Some((operation, stage, completion.result))
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel gave the offset of a word of this mapping, which lives as long as `self`; what it
        // shares is accessed atomically only.
        unsafe { AtomicU32::from_ptr(self.memory.at(offset)) }
    }
}

/// Memory shared with the kernel.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(kernel: &OwnedFd, offset: libc::off_t, bytes: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, anywhere.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                kernel.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    fn at<T>(&self, offset: u32) -> *mut T {
        self.start.as_ptr().wrapping_add(offset as usize).cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is this mapping, whole, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// The layouts of linux/io_uring.h.

#[repr(C)]
#[derive(Default)]
struct Parameters {
    asked_entries: u32,
    done_entries: u32,
    flags: u32,
    thread_processor: u32,
    thread_idle: u32,
    features: u32,
    workers: u32,
    reserved: [u32; 3],
    asked: AskedOffsets,
    done: DoneOffsets,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct AskedOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    reserved: u32,
    address: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct DoneOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    count: u32,
    overflow: u32,
    entries: u32,
    flags: u32,
    reserved: u32,
    address: u64,
}

#[repr(C)]
#[derive(Default)]
struct Entry {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    address: u64,
    bytes: u32,
    operation_flags: u32,
    user_data: u64,
    buffer_index: u16,
    personality: u16,
    other_fd: i32,
    reserved: [u64; 2],
}

#[repr(C)]
struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

const _: () = assert!(
    size_of::<Parameters>() == 120 && size_of::<Entry>() == 64 && size_of::<Completion>() == 16
);
