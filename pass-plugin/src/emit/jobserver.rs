//! GNU make's jobserver: `make -jN` hands out N tokens for all that it starts, and whoever wants a second
//! thread takes one first. The first thread runs on the token that make spent on starting us.

use jobserver::{Acquired, Client, FromEnvErrorKind};
use std::io;

/// What `MAKEFLAGS` (or cargo's `CARGO_MAKEFLAGS`) leads to.
#[derive(Debug)]
pub enum Jobserver {
    /// There is none: threads are nobody else's business.
    None,
    Tokens(Tokens),
    /// There is one that cannot be used, so there is one thread; and why, unless make itself says so.
    Unusable(Option<String>),
}

impl Jobserver {
    /// Call once per run. A process that holds tokens when it is killed takes them along; make notices at
    /// its end. Nothing else loses one: they go back as [`Token`]s are dropped.
    pub fn from_environment() -> Jobserver {
        // SAFETY: the file descriptors that MAKEFLAGS names are make's, inherited; nothing in this process
        // owns them, and `check_pipe` makes sure that they are pipes, so that no file of the host's that
        // has their numbers by chance (make closes them for recipes without a `+`) is taken for them.
        let found = unsafe { Client::from_env_ext(true) };
        match found.client {
            Ok(client) => Jobserver::Tokens(Tokens(client)),
            Err(error) => match error.kind() {
                FromEnvErrorKind::NoEnvVar | FromEnvErrorKind::NoJobserver => Jobserver::None,
                FromEnvErrorKind::NegativeFd => Jobserver::Unusable(None),
                _ => Jobserver::Unusable(Some(error.to_string())),
            },
        }
    }
}

/// The tokens of a jobserver that works.
#[derive(Debug)]
pub struct Tokens(Client);

/// Leave to run one more thread. Goes back when dropped.
#[derive(Debug)]
pub struct Token {
    _acquired: Acquired,
}

impl Tokens {
    /// A token, if there is one now. Never blocks: the thread that waits for tokens must also see that
    /// there is nothing left to do.
    ///
    /// # Errors
    /// The jobserver is gone, or is a pipe that cannot be read without blocking (no `/proc`).
    pub fn try_take(&self) -> io::Result<Option<Token>> {
        Ok(self.0.try_acquire()?.map(|acquired| Token { _acquired: acquired }))
    }
}
