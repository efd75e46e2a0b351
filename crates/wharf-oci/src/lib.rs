//! Images as content: layers as recipes of files, image configs, and archives that an engine loads.
//!
//! - [`layer`]: canonical tar, the same bytes for the same files on any machine and day;
//! - [`blob`]: the bytes of a layer as it is sent, replayed as often as they are asked for;
//! - [`image`]: an image of such layers, with its config;
//! - [`archive`]: the image as `docker load` takes it, streamed; [`layout`]: as an OCI layout, folder or archive;
//! - [`descriptor`]: manifests; [`registry`]: registries, without a daemon; [`keychain`]: their credentials;
//!   [`copy`](mod@copy): an image into a registry.

pub mod layer;

pub mod blob;

pub mod image;

pub mod archive;

pub mod layout;

pub mod descriptor;

pub mod registry;

pub mod keychain;

pub mod copy;

mod replay;

pub mod error;
