//! Support vector machines.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{elements, failed, floats, rows_and_columns, tensor},
        node::{Inputs, Kernel, Node},
    },
    labels::{Labels, largest},
    post_transform::{PostTransform, Second, logistic},
};

#[derive(Debug, Clone, Copy)]
enum Shape {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// How alike two rows are.
#[derive(Debug)]
struct Similarity {
    shape: Shape,
    gamma: f64,
    offset: f64,
    degree: f64,
}

impl Similarity {
    fn of(node: Node<'_>) -> Result<Self, ReadError> {
        let shape = match node.word("kernel_type", "LINEAR")? {
            "LINEAR" => Shape::Linear,
            "POLY" => Shape::Polynomial,
            "RBF" => Shape::Radial,
            "SIGMOID" => Shape::Sigmoid,
            other => return Err(node.corrupt(format!("has the unknown kernel {other}"))),
        };
        let parameters = node.floats("kernel_params");
        let parameter = |at: usize| f64::from(parameters.get(at).copied().unwrap_or(0.0));
        Ok(Self { shape, gamma: parameter(0), offset: parameter(1), degree: parameter(2) })
    }

    fn of_rows(&self, left: &[f32], right: &[f32]) -> f64 {
        let pairs = left.iter().zip(right).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        match self.shape {
            Shape::Linear => pairs.map(|(a, b)| a * b).sum(),
            Shape::Radial => {
                (-self.gamma * pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp()
            }
            Shape::Polynomial => (self.gamma * pairs.map(|(a, b)| a * b).sum::<f64>()
                + self.offset)
                .powf(self.degree),
            Shape::Sigmoid => {
                (self.gamma * pairs.map(|(a, b)| a * b).sum::<f64>() + self.offset).tanh()
            }
        }
    }
}

/// Rows that the others are compared to.
#[derive(Debug)]
struct Vectors {
    similarity: Similarity,
    items: Vec<f32>,
    count: usize,
    columns: usize,
}

impl Vectors {
    fn of(node: Node<'_>, name: &str, count: usize) -> Result<Self, ReadError> {
        let items = node.floats(name).to_vec();
        if count == 0 || items.is_empty() || !items.len().is_multiple_of(count) {
            return Err(node.corrupt(format!("has {} numbers for {count} vectors", items.len())));
        }
        let columns = items.len() / count;
        Ok(Self { similarity: Similarity::of(node)?, items, count, columns })
    }

    /// Returns the rows of features, checked to be as wide as the vectors.
    fn rows<'a>(&self, input: &'a Tensor) -> Result<Vec<Vec<f64>>, RunError> {
        let (_, columns) = rows_and_columns(input.shape())?;
        if columns != self.columns {
            return failed(format!("it takes {} features, not {columns}", self.columns));
        }
        let items: std::borrow::Cow<'a, [f32]> = floats(input)?;
        Ok(items.chunks_exact(columns).map(|row| self.similarities(row)).collect())
    }

    fn similarities(&self, row: &[f32]) -> Vec<f64> {
        let vectors = self.items.chunks_exact(self.columns);
        vectors.map(|vector| self.similarity.of_rows(row, vector)).collect()
    }
}

#[derive(Debug)]
struct Regressor {
    vectors: Vectors,
    coefficients: Vec<f32>,
    rho: f32,
    one_class: bool,
}

pub(super) fn regressor(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let count = usize::try_from(node.int_or("n_supports", 0)).unwrap_or(0);
    let [rho, ..] = *node.floats("rho") else {
        return Err(node.corrupt("has no constant"));
    };
    let one_class = node.flag("one_class", false);
    let coefficients = node.floats("coefficients").to_vec();
    if count == 0 {
        // A linear machine keeps the sum of its vectors: one vector, at full weight.
        let mut vectors = Vectors::of(node, "coefficients", 1)?;
        vectors.similarity.shape = Shape::Linear;
        return Ok(Box::new(Regressor { vectors, coefficients: vec![1.0], rho, one_class }));
    }
    let vectors = Vectors::of(node, "support_vectors", count)?;
    if coefficients.len() != count {
        return Err(node.corrupt("has not one coefficient for each vector"));
    }
    Ok(Box::new(Regressor { vectors, coefficients, rho, one_class }))
}

impl Kernel for Regressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let rows = self.vectors.rows(inputs.get(0)?)?;
        let values = rows.iter().map(|similarities| {
            let products = similarities.iter().zip(&self.coefficients);
            let sum: f64 =
                products.map(|(similarity, weight)| similarity * f64::from(*weight)).sum();
            let value = (sum + f64::from(self.rho)) as f32;
            match self.one_class {
                true if value > 0.0 => 1.0,
                true => -1.0,
                false => value,
            }
        });
        let values: Vec<f32> = values.collect();
        Ok(vec![tensor(vec![values.len(), 1], Data::F32(values))?])
    }
}

/// A machine for each pair of classes.
#[derive(Debug)]
struct Classifier {
    vectors: Vectors,
    /// Where the vectors of each class begin, and where the last end.
    starts: Vec<usize>,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// What makes a probability of each machine's score; empty when there are no probabilities.
    sigmoids: Vec<(f32, f32)>,
    labels: Labels,
    post_transform: PostTransform,
}

pub(super) fn classifier(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let labels = Labels::of(node, "classlabels_ints")?;
    let mut starts = vec![0_usize];
    for count in node.ints("vectors_per_class") {
        let last = starts.last().copied().unwrap_or(0);
        let next = usize::try_from(*count).ok().and_then(|count| last.checked_add(count));
        starts.push(next.ok_or_else(|| node.corrupt("has an impossible number of vectors"))?);
    }
    let count = starts.last().copied().unwrap_or(0);
    if count == 0 {
        return Err(node.unsupported("has no support vectors"));
    }
    let vectors = Vectors::of(node, "support_vectors", count)?;
    let classes = labels.len();
    let coefficients = node.floats("coefficients").to_vec();
    let rho = node.floats("rho").to_vec();
    let (slopes, offsets) = (node.floats("prob_a"), node.floats("prob_b"));
    // Few vectors cannot belong to many classes, so the products stay small.
    let machines = classes.saturating_mul(classes.saturating_sub(1)) / 2;
    let fits = starts.len() == classes + 1
        && classes > 1
        && coefficients.len() == (classes - 1).saturating_mul(count)
        && rho.len() == machines
        && slopes.len() == offsets.len()
        && (slopes.is_empty() || slopes.len() == machines);
    if !fits {
        return Err(node.corrupt("has lists that do not fit the number of its classes"));
    }
    let sigmoids = slopes.iter().copied().zip(offsets.iter().copied()).collect();
    let post_transform = PostTransform::of(node)?;
    Ok(Box::new(Classifier {
        vectors,
        starts,
        coefficients,
        rho,
        sigmoids,
        labels,
        post_transform,
    }))
}

impl Classifier {
    /// Returns the score of each machine, and the votes for each class.
    fn contest(&self, similarities: &[f64]) -> (Vec<f32>, Vec<usize>) {
        let classes = self.labels.len();
        let mut votes = vec![0; classes];
        let mut scores = Vec::with_capacity(self.rho.len());
        for one in 0..classes {
            for other in one + 1..classes {
                // The coefficients against the own class are left out, which moves the rows below it up.
                let sum = self.part(similarities, one, other - 1)
                    + self.part(similarities, other, one)
                    + f64::from(self.rho[scores.len()]);
                scores.push(sum as f32);
                votes[if sum > 0.0 { one } else { other }] += 1;
            }
        }
        (scores, votes)
    }

    fn part(&self, similarities: &[f64], class: usize, row: usize) -> f64 {
        let vectors = self.starts[class]..self.starts[class + 1];
        let row = &self.coefficients[row * self.vectors.count..(row + 1) * self.vectors.count];
        let pairs = row[vectors.clone()].iter().zip(&similarities[vectors]);
        pairs.map(|(weight, similarity)| f64::from(*weight) * similarity).sum()
    }

    fn probabilities(&self, scores: &[f32]) -> Vec<f32> {
        let classes = self.labels.len();
        let mut pairwise = vec![0.0; classes * classes];
        let mut machines = scores.iter().zip(&self.sigmoids);
        for one in 0..classes {
            for other in one + 1..classes {
                if let Some((score, (slope, offset))) = machines.next() {
                    let wins = 1.0 - logistic(score * slope + offset);
                    let wins = wins.clamp(1e-7, 1.0 - 1e-7);
                    pairwise[one * classes + other] = wins;
                    pairwise[other * classes + one] = 1.0 - wins;
                }
            }
        }
        couple(&pairwise, classes)
    }
}

/// Makes one distribution of the chances in each pair: the second method of Wu, Lin and Weng (2004), as in libsvm.
fn couple(pairwise: &[f32], classes: usize) -> Vec<f32> {
    let chance = |one: usize, other: usize| pairwise[one * classes + other];
    let mut matrix = vec![0.0_f32; classes * classes];
    for one in 0..classes {
        for other in (0..classes).filter(|other| *other != one) {
            matrix[one * classes + one] += chance(other, one) * chance(other, one);
            matrix[one * classes + other] = -chance(other, one) * chance(one, other);
        }
    }
    let mut found = vec![1.0 / classes as f32; classes];
    for _ in 0..100 {
        let mut products: Vec<f32> = matrix
            .chunks_exact(classes)
            .map(|row| row.iter().zip(&found).map(|(a, b)| a * b).sum())
            .collect();
        let mut total: f32 = found.iter().zip(&products).map(|(a, b)| a * b).sum();
        let error = products.iter().map(|product| (product - total).abs()).fold(0.0, f32::max);
        if error < 0.005 / classes as f32 {
            break;
        }
        for one in 0..classes {
            let own = matrix[one * classes + one];
            let step = (total - products[one]) / own;
            found[one] += step;
            total =
                (total + step * (step * own + 2.0 * products[one])) / (1.0 + step) / (1.0 + step);
            for other in 0..classes {
                products[other] =
                    (products[other] + step * matrix[one * classes + other]) / (1.0 + step);
                found[other] /= 1.0 + step;
            }
        }
    }
    found
}

impl Kernel for Classifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let rows = self.vectors.rows(inputs.get(0)?)?;
        let pair = self.rho.len() == 1;
        let columns =
            if self.sigmoids.is_empty() && !pair { self.rho.len() } else { self.labels.len() };
        let mut all = Vec::with_capacity(elements(&[rows.len(), columns])?);
        let mut chosen = Vec::with_capacity(rows.len());
        for similarities in &rows {
            let (mut scores, votes) = self.contest(similarities);
            let votes: Vec<f32> = votes.iter().map(|votes| *votes as f32).collect();
            chosen.push(largest(&votes));
            if !self.sigmoids.is_empty() {
                scores = self.probabilities(&scores);
                self.post_transform.apply(&mut scores);
            } else if pair {
                let second = match self.post_transform {
                    PostTransform::None => Second::Opposite,
                    _ => Second::Complement,
                };
                scores = self.post_transform.two(scores[0], second).to_vec();
            } else {
                self.post_transform.apply(&mut scores);
            }
            all.append(&mut scores);
        }
        let labels = tensor(vec![rows.len()], self.labels.pick(&chosen))?;
        Ok(vec![labels, tensor(vec![rows.len(), columns], Data::F32(all))?])
    }
}
