//! The server from outside: requests through the whole router, with real models behind it.

#[cfg(test)]
mod support;

#[cfg(test)]
mod contract;

#[cfg(test)]
mod native;

#[cfg(test)]
mod v2;

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod page;

#[cfg(test)]
mod metrics;

#[cfg(test)]
mod python;
