//! Images as content: layers as recipes of files, image configs, and archives that an engine loads.
//!
//! - [`layer`]: canonical tar, the same bytes for the same files on any machine and day;
//! - [`image`]: an image of such layers, with its config;
//! - [`archive`]: the image as `docker load` takes it, streamed.

pub mod layer;

pub mod image;

pub mod archive;

pub mod error;
