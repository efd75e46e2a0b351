//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{elements, failed, floats, rows_and_columns, tensor},
        node::{Inputs, Kernel, Node},
    },
    forest::Forest,
    labels::{Labels, largest},
    post_transform::{PostTransform, Second},
};

/// More targets than this are no model but an attempt to fill the memory.
const MOST_TARGETS: i64 = 1 << 20;

/// Returns the rows of features, checked to be wide enough for the trees.
fn features<'a>(
    forest: &Forest,
    input: &'a Tensor,
) -> Result<(usize, usize, std::borrow::Cow<'a, [f32]>), RunError> {
    let (rows, columns) = rows_and_columns(input.shape())?;
    if columns < forest.features {
        return failed(format!("it takes at least {} features, not {columns}", forest.features));
    }
    Ok((rows, columns, floats(input)?))
}

#[derive(Debug)]
struct Classifier {
    forest: Forest,
    labels: Labels,
    base: Vec<f32>,
    post_transform: PostTransform,
    /// The leaves of two classes have one score, which belongs to this column.
    single: Option<usize>,
}

pub(super) fn classifier(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let labels = Labels::of(node, "classlabels_int64s")?;
    let forest = Forest::of(node, "class", labels.len())?;
    let base = node.floats("base_values").to_vec();
    let single = forest.only_score().filter(|_| labels.len() == 2);
    let fits =
        base.is_empty() || base.len() == labels.len() || (base.len() == 1 && single.is_some());
    if !fits {
        return Err(node.corrupt(format!(
            "has {} base values and {} labels",
            base.len(),
            labels.len()
        )));
    }
    Ok(Box::new(Classifier {
        forest,
        labels,
        base,
        post_transform: PostTransform::of(node)?,
        single,
    }))
}

impl Classifier {
    /// Computes one row's scores in place, and returns the column of its label.
    fn row(&self, row: &[f32], scores: &mut [f32]) -> usize {
        for weights in self.forest.reached(row) {
            for weight in weights {
                scores[weight.score as usize] += weight.value;
            }
        }
        if let Some(column) = self.single {
            let base = self.base.get(1).or(self.base.first()).copied().unwrap_or(0.0);
            return self.two(scores[column] + base, scores);
        }
        for (score, base) in scores.iter_mut().zip(&self.base) {
            *score += base;
        }
        let label = largest(scores);
        self.post_transform.apply(scores);
        label
    }

    /// Without negative weights a single score is a probability, else a distance.
    fn two(&self, score: f32, scores: &mut [f32]) -> usize {
        let (second, border) = if self.forest.has_negative_weights() {
            (Second::Opposite, 0.0)
        } else {
            (Second::Complement, 0.5)
        };
        scores.copy_from_slice(&self.post_transform.two(score, second));
        usize::from(score > border)
    }
}

impl Kernel for Classifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (rows, columns, items) = features(&self.forest, inputs.get(0)?)?;
        let classes = self.labels.len();
        let mut scores = vec![0.0; elements(&[rows, classes])?];
        let mut chosen = Vec::with_capacity(rows);
        for (at, scores) in scores.chunks_exact_mut(classes).enumerate() {
            chosen.push(self.row(&items[at * columns..(at + 1) * columns], scores));
        }
        let labels = tensor(vec![rows], self.labels.pick(&chosen))?;
        Ok(vec![labels, tensor(vec![rows, classes], Data::F32(scores))?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug)]
struct Regressor {
    forest: Forest,
    targets: usize,
    base: Vec<f32>,
    aggregate: Aggregate,
    post_transform: PostTransform,
}

pub(super) fn regressor(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let targets = node.int_or("n_targets", 1);
    if !(1..=MOST_TARGETS).contains(&targets) {
        return Err(node.corrupt(format!("has {targets} targets")));
    }
    let targets = targets as usize;
    let base = node.floats("base_values").to_vec();
    if !base.is_empty() && base.len() != targets {
        return Err(node.corrupt(format!("has {} base values and {targets} targets", base.len())));
    }
    let aggregate = match node.word("aggregate_function", "SUM")? {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => {
            return Err(node.corrupt(format!("puts its trees together by the unknown {other}")));
        }
    };
    let forest = Forest::of(node, "target", targets)?;
    Ok(Box::new(Regressor {
        forest,
        targets,
        base,
        aggregate,
        post_transform: PostTransform::of(node)?,
    }))
}

impl Regressor {
    fn row(&self, row: &[f32], scores: &mut [f32], seen: &mut [bool]) {
        seen.fill(false);
        for weight in self.forest.reached(row).flatten() {
            let at = weight.score as usize;
            let first = !std::mem::replace(&mut seen[at], true);
            let score = &mut scores[at];
            match self.aggregate {
                Aggregate::Sum | Aggregate::Average => *score += weight.value,
                Aggregate::Min if first || weight.value < *score => *score = weight.value,
                Aggregate::Max if first || weight.value > *score => *score = weight.value,
                Aggregate::Min | Aggregate::Max => {}
            }
        }
        for (at, score) in scores.iter_mut().enumerate() {
            if matches!(self.aggregate, Aggregate::Average) {
                *score /= self.forest.len() as f32;
            }
            *score += self.base.get(at).copied().unwrap_or(0.0);
        }
        // onnxruntime leaves a single target alone, but for this one.
        if self.targets > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(scores);
        }
    }
}

impl Kernel for Regressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (rows, columns, items) = features(&self.forest, inputs.get(0)?)?;
        let mut scores = vec![0.0; elements(&[rows, self.targets])?];
        let mut seen = vec![false; self.targets];
        for (at, scores) in scores.chunks_exact_mut(self.targets).enumerate() {
            self.row(&items[at * columns..(at + 1) * columns], scores, &mut seen);
        }
        Ok(vec![tensor(vec![rows, self.targets], Data::F32(scores))?])
    }
}
