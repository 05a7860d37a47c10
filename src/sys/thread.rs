//! Threads of the library's own.
//!
//! Not those of std: a thread of std asks for memory of its own before its first line, and ends the whole process if it
//! gets none. What these threads do can also be done without them.

use std::{
    ffi::CStr,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use nix::{
    errno::Errno,
    sys::signal::{SigSet, SigmaskHow, pthread_sigmask},
};

/// Bytes of stack: none of these threads calls deeply.
const STACK: usize = 64 << 10;

struct Task {
    name: &'static CStr,
    work: Box<dyn FnOnce() + Send>,
}

/// Starts a thread with every signal blocked: the application's handlers run on threads of its own. `None` if no thread
/// can be had.
pub(crate) fn spawn(name: &'static CStr, work: impl FnOnce() + Send + 'static) -> Option<()> {
    let task = Box::into_raw(Box::new(Task { name, work: Box::new(work) }));
    let mut before = SigSet::empty();
    let blocked = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
    let started = blocked.and_then(|()| {
        let started = create(Some(STACK), task);
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
        started
    });
    if started.is_err() {
        // SAFETY: no thread has it.
        drop(unsafe { Box::from_raw(task) });
    }
    started.ok()
}

/// Starts the thread that takes `task`; nobody has it if this fails.
fn create(stack: Option<usize>, task: *mut Task) -> Result<(), Errno> {
    let mut attributes = MaybeUninit::uninit();
    let attributes = attributes.as_mut_ptr();
    let mut thread = MaybeUninit::uninit();
    let check = |code| if code == 0 { Ok(()) } else { Err(Errno::from_raw(code)) };
    // SAFETY: the attributes are initialised first and destroyed last, and `run` is given what it takes.
    let created = unsafe {
        check(libc::pthread_attr_init(attributes))?;
        libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED);
        let created = stack
            .map_or(Ok(()), |stack| check(libc::pthread_attr_setstacksize(attributes, stack)))
            .and_then(|()| {
                check(libc::pthread_create(thread.as_mut_ptr(), attributes, run, task.cast()))
            });
        libc::pthread_attr_destroy(attributes);
        created
    };
    match created {
        // The C library has the program's thread-local variables on the stack, of which there may be too many.
        Err(Errno::EINVAL) if stack.is_some() => create(None, task),
        other => other,
    }
}

extern "C" fn run(task: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: what `spawn` made, given to this thread alone.
    let Task { name, work } = *unsafe { Box::from_raw(task.cast()) };
    set_name(name);
    // The panic was told of when it began, and it must not go on into the C library.
    let _ = catch_unwind(AssertUnwindSafe(work));
    ptr::null_mut()
}

/// Names the calling thread, for those who look at the process.
fn set_name(name: &CStr) {
    // Elsewhere each system has a way of its own.
    #[cfg(target_os = "linux")]
    // SAFETY: the name is valid and ends with zero.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
    let _ = name;
}
