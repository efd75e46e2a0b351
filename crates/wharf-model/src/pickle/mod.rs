//! Pickles are listed by what they import, never loaded.
