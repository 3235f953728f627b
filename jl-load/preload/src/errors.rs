//! What dlerror says of a refusal, per thread.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { pending: None, told: None }) };
}

struct State {
    /// Not yet asked for.
    pending: Option<CString>,
    /// What the last dlerror returned; it stays valid until the next one.
    told: Option<CString>,
}

/// Sets what the next dlerror of this thread says.
pub fn set(message: Vec<u8>) {
    let message: Vec<u8> = message.into_iter().filter(|byte| *byte != 0).collect();
    // A thread that is ending has no state any more: then the message is lost, not the process.
    let _ = STATE.try_with(|state| state.borrow_mut().pending = CString::new(message).ok());
}

/// A call that succeeds leaves no error.
pub fn clear() {
    let _ = STATE.try_with(|state| state.borrow_mut().pending = None);
}

/// The pending message, which is told once; `None` when there is none of ours.
pub fn take() -> Option<*mut c_char> {
    let take = |state: &RefCell<State>| {
        let mut state = state.borrow_mut();
        state.told = state.pending.take();
        state.told.as_ref().map(|message| message.as_ptr().cast_mut())
    };
    STATE.try_with(take).ok().flatten()
}
