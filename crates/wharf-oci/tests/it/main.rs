//! Registries from outside: one of our own in memory, with whatever manners a test gives it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

mod hostile;

mod push;

mod reading;

mod tokens;

mod proxies;

mod attachments;

mod signatures;

mod wheels;
