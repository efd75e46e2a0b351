//! Pickles are listed by what they import, never loaded.
//!
//! - [`scan`](scan::scan): the imports of a pickle or joblib file, read as a stream;
//! - [`imports`]: what was found, and what a person should know of it.

pub mod scan;

pub mod imports;

mod machine;

mod value;
