//! Images as content: layers as recipes of files, image configs, and archives that an engine loads.
//!
//! - [`layer`]: canonical tar, the same bytes for the same files on any machine and day;
//! - [`wheel`]: Python packages as such layers, straight from what an index has;
//! - [`blob`]: the bytes of a layer as it is sent, replayed as often as they are asked for;
//! - [`image`]: an image of layers, with its config, alone or upon a base; [`tree`]: what hangs on its manifest;
//! - [`archive`]: the image as `docker load` takes it, streamed; [`layout`]: as an OCI layout, folder or archive;
//! - [`manifest`], [`store`], [`docker_archive`]: what others send, checked: from registries, layouts, archives;
//! - [`descriptor`]: what names content; [`registry`]: registries, without a daemon; [`keychain`]: their credentials;
//!   [`copy`](mod@copy): an image into a registry.

pub mod layer;

pub mod blob;

pub mod image;

pub mod tree;

pub mod archive;

pub mod layout;

pub mod wheel;

pub mod descriptor;

pub mod manifest;

pub mod store;

pub mod docker_archive;

mod files;

mod tarfile;

pub mod registry;

pub mod attachment;

pub mod sign;

pub mod keychain;

pub mod copy;

mod replay;

pub mod error;
