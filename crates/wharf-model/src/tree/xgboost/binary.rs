//! XGBoost's old binary form, which it wrote before JSON and UBJSON: C's structures one behind the other,
//! little-endian. Before 1.0 nothing marks the file, and the base score is a margin already.

use super::{
    file::{Attributes, Booster, File, Flag, Inner, Learner, LearnerParam, Model, TreeArrays},
    objective::Objective,
};
use crate::error::ReadError;

/// What the form begins with from 1.0 on.
const MARK: &[u8] = b"binf";

/// Bytes of the structures of which only the first fields count; the rest is kept free.
const LEARNER: usize = 136;
const FOREST: usize = 160;
const TREE: usize = 148;
const LINEAR: usize = 136;

/// Bytes of a node, and of what training knew of it: gain, weight, and the like.
const NODE: usize = 20;
const NODE_TRAINING: usize = 16;

/// No name of an objective is longer.
const LONGEST_NAME: usize = 64;

/// The bit of a node's feature that sends missing values to the left.
const DEFAULT_LEFT: u32 = 1 << 31;

/// Says whether the first bytes are those of the form; without a mark, by the objective behind the first structure.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let mut unmarked = Cursor { rest: bytes };
    bytes.starts_with(MARK)
        || (unmarked.take(LEARNER).is_ok()
            && unmarked.text().is_ok_and(|name| Objective::of(&name).is_ok()))
}

/// Reads a file into the same keys as those of the other forms.
pub(super) fn read(bytes: &[u8]) -> Result<File, ReadError> {
    let mut cursor = Cursor { rest: bytes.strip_prefix(MARK).unwrap_or(bytes) };
    let mut param = Cursor { rest: cursor.take(LEARNER)? };
    let base_score = f32::from_bits(param.u32()?);
    let (features, classes) = (param.u32()?, param.u32()?);
    let has_attributes = param.u32()? != 0;
    param.take(4)?;
    let (major, minor, targets) = (param.u32()?, param.u32()?, param.u32()?);
    let objective = cursor.text()?;
    let gradient_booster = booster(&mut cursor)?;
    let attributes = if has_attributes { attributes(&mut cursor)? } else { Attributes::default() };
    Ok(File {
        learner: Learner {
            attributes,
            gradient_booster,
            learner_model_param: LearnerParam {
                base_score: base_score.to_string(),
                base_is_margin: major == 0,
                num_feature: features.to_string(),
                num_class: Some(classes.to_string()),
                num_target: Some(targets.to_string()),
            },
            objective: super::file::Objective { name: objective },
            feature_names: Default::default(),
            feature_types: Default::default(),
        },
        version: if major == 0 { Vec::new() } else { vec![major, minor] },
    })
}

fn booster(cursor: &mut Cursor<'_>) -> Result<Booster, ReadError> {
    let name = cursor.text()?;
    let mut booster = Booster { name, model: None, gbtree: None, weight_drop: Vec::new() };
    match booster.name.as_str() {
        "gblinear" => {
            cursor.take(LINEAR)?;
            booster.model = Some(Model { weights: cursor.floats()?, ..Model::default() });
        }
        "dart" => {
            let model = forest(cursor)?;
            if !model.trees.is_empty() {
                booster.weight_drop = cursor.floats()?;
            }
            booster.gbtree = Some(Inner { model });
        }
        // What is no booster at all is refused with its name later on.
        _ => booster.model = Some(forest(cursor)?),
    }
    Ok(booster)
}

fn forest(cursor: &mut Cursor<'_>) -> Result<Model, ReadError> {
    let count = Cursor { rest: cursor.take(FOREST)? }.u32()?;
    let mut model = Model::default();
    // A count can say anything: a tree has bytes, so the file's end comes first.
    for index in 0..count {
        model.trees.push(tree(cursor).map_err(super::super::in_tree(index as usize))?);
    }
    for _ in 0..count {
        model.tree_info.push(cursor.u32()?);
    }
    Ok(model)
}

fn tree(cursor: &mut Cursor<'_>) -> Result<TreeArrays, ReadError> {
    let mut param = Cursor { rest: cursor.take(TREE)? };
    param.take(4)?;
    let count = param.u32()? as usize;
    param.take(12)?;
    if param.u32()? > 1 {
        return Err(ReadError::unsupported(
            "the old binary form holds leaves with several values, which wharf does not read",
        ));
    }
    let nodes = cursor.take_many(count, NODE)?;
    cursor.take_many(count, NODE_TRAINING)?;
    let mut tree = TreeArrays::default();
    for node in nodes.chunks_exact(NODE) {
        let mut node = Cursor { rest: node };
        node.take(4)?;
        tree.left_children.push(node.u32()?.cast_signed());
        tree.right_children.push(node.u32()?.cast_signed());
        let feature = node.u32()?;
        tree.split_indices.push(feature & !DEFAULT_LEFT);
        tree.default_left.push(Flag(feature & DEFAULT_LEFT != 0));
        tree.split_conditions.push(f32::from_bits(node.u32()?));
    }
    Ok(tree)
}

/// Reads the pairs of name and text that the caller of XGBoost put into the model.
fn attributes(cursor: &mut Cursor<'_>) -> Result<Attributes, ReadError> {
    let count = cursor.u64()?;
    let mut attributes = Attributes::default();
    for _ in 0..count {
        let (name, value) = (cursor.bytes()?, cursor.bytes()?);
        if name == b"best_iteration" {
            attributes.best_iteration = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    Ok(attributes)
}

/// What is left of the file.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| {
            ReadError::corrupt("the file ends before the model does: it is cut off")
        })?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_many(&mut self, count: usize, size: usize) -> Result<&'a [u8], ReadError> {
        self.take(count.saturating_mul(size))
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rfold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn u64(&mut self) -> Result<u64, ReadError> {
        let (low, high) = (self.u32()?, self.u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Reads a length, and so many bytes.
    fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let length = self.u64()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Reads a word: the name of an objective, of a booster.
    fn text(&mut self) -> Result<String, ReadError> {
        let bytes = self.bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= LONGEST_NAME => Ok(text.to_owned()),
            _ => Err(ReadError::corrupt("a name in the file is none")),
        }
    }

    fn floats(&mut self) -> Result<Vec<f32>, ReadError> {
        let count = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        let mut floats = Cursor { rest: self.take_many(count, 4)? };
        (0..count).map(|_| floats.u32().map(f32::from_bits)).collect()
    }
}
