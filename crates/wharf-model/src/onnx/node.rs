//! A node as its kernel sees it: attributes by name when it is built, inputs by place when it runs.

use std::{fmt, path::Path};

use crate::{
    error::{ReadError, RunError},
    tensor::Tensor,
};

use super::{
    array::failed,
    proto::{AttributeProto, GraphProto, NodeProto},
};

/// What computes a node.
pub(super) trait Kernel: fmt::Debug + Send + Sync {
    /// Computes the outputs, in their order.
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError>;
}

/// The arrays that a node is given; those left out in the middle are `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a>(pub(super) &'a [Option<&'a Tensor>]);

impl<'a> Inputs<'a> {
    /// Returns an input that must be there.
    pub(super) fn get(&self, at: usize) -> Result<&'a Tensor, RunError> {
        match self.optional(at) {
            Some(tensor) => Ok(tensor),
            None => failed(format!("its input {at} is missing")),
        }
    }

    /// Returns an input that may be left out.
    pub(super) fn optional(&self, at: usize) -> Option<&'a Tensor> {
        self.0.get(at).copied().flatten()
    }

    /// Returns all inputs, none of which may be left out.
    pub(super) fn all(&self) -> Result<Vec<&'a Tensor>, RunError> {
        (0..self.0.len()).map(|at| self.get(at)).collect()
    }
}

/// What surrounds a node while the plan is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The version of the standard operators.
    pub(super) opset: i64,
    /// Where the model's file lies.
    pub(super) folder: &'a Path,
    /// The node lies in the graph of a `Scan`. Scans in scans would multiply to work without end.
    pub(super) in_a_scan: bool,
}

/// A node of the graph, to build its kernel from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) proto: &'a NodeProto,
    pub(super) surroundings: Surroundings<'a>,
}

impl<'a> Node<'a> {
    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.i
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> i64 {
        self.int(name).unwrap_or(default)
    }

    /// Says whether a switch is on.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name).map_or(default, |value| value != 0)
    }

    pub(super) fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.f
    }

    pub(super) fn float_or(&self, name: &str, default: f32) -> f32 {
        self.float(name).unwrap_or(default)
    }

    /// Returns a list, which is empty when it is not there.
    pub(super) fn ints(&self, name: &str) -> &'a [i64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// Returns a list that may be left out.
    pub(super) fn optional_ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// Returns a list, which is empty when it is not there.
    pub(super) fn floats(&self, name: &str) -> &'a [f32] {
        self.attribute(name).map_or(&[], |attribute| &attribute.floats)
    }

    /// Returns a list of texts as they are, which is empty when it is not there.
    pub(super) fn bytes(&self, name: &str) -> &'a [Vec<u8>] {
        self.attribute(name).map_or(&[], |attribute| &attribute.strings)
    }

    /// Returns one of a closed set of words.
    pub(super) fn word(&self, name: &str, default: &'a str) -> Result<&'a str, ReadError> {
        match self.attribute(name).and_then(|attribute| attribute.s.as_deref()) {
            Some(bytes) => std::str::from_utf8(bytes).map_err(|_| self.not_text(name)),
            None => Ok(default),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, ReadError> {
        let texts = self.bytes(name).iter().map(|bytes| String::from_utf8(bytes.clone()));
        texts.collect::<Result<_, _>>().map_err(|_| self.not_text(name))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>, ReadError> {
        let constant = self.attribute(name).and_then(|attribute| attribute.t.as_ref());
        constant.map(|constant| constant.read(self.surroundings.folder)).transpose()
    }

    pub(super) fn graph(&self, name: &str) -> Result<&'a GraphProto, ReadError> {
        let graph = self.attribute(name).and_then(|attribute| attribute.g.as_ref());
        graph.ok_or_else(|| self.corrupt(format!("has no graph `{name}`")))
    }

    /// Returns the error of a node that contradicts itself.
    pub(super) fn corrupt(&self, what: impl fmt::Display) -> ReadError {
        ReadError::corrupt(format!("{} {what}", self.proto.label()))
    }

    /// Returns the error of a node that wants something the interpreter does not have.
    pub(super) fn unsupported(&self, what: impl fmt::Display) -> ReadError {
        ReadError::unsupported(format!("{} {what}", self.proto.label()))
    }

    fn not_text(&self, name: &str) -> ReadError {
        self.corrupt(format!("has a `{name}` that is not UTF-8"))
    }
}
