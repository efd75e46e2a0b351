//! Trees as ONNX writes them — lists of nodes that name each other — made into trees that can be walked.

use std::collections::HashMap;

use crate::error::ReadError;

use super::super::node::Node;

/// All trees of a model, their nodes in one list.
#[derive(Debug)]
pub(super) struct Forest {
    nodes: Vec<Branch>,
    roots: Vec<u32>,
    /// Where the weights of each leaf lie: those of leaf `n` from `leaves[n]` up to `leaves[n + 1]`.
    leaves: Vec<u32>,
    weights: Vec<Weight>,
    /// The largest feature that a branch asks for, and one more.
    pub(super) features: usize,
}

/// What a leaf adds to a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) score: u32,
    pub(super) value: f32,
}

#[derive(Debug, Clone, Copy)]
struct Branch {
    threshold: f32,
    feature: u32,
    /// Where the tests that hold and those that fail go on; a leaf has its own number here.
    yes: u32,
    no: u32,
    mode: Mode,
    missing_is_yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    Leaf,
}

impl Mode {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"BRANCH_LEQ" => Self::LessOrEqual,
            b"BRANCH_LT" => Self::Less,
            b"BRANCH_GTE" => Self::GreaterOrEqual,
            b"BRANCH_GT" => Self::Greater,
            b"BRANCH_EQ" => Self::Equal,
            b"BRANCH_NEQ" => Self::NotEqual,
            b"LEAF" => Self::Leaf,
            _ => return None,
        })
    }
}

impl Branch {
    fn holds(&self, value: f32) -> bool {
        let holds = match self.mode {
            Mode::LessOrEqual => value <= self.threshold,
            Mode::Less => value < self.threshold,
            Mode::GreaterOrEqual => value >= self.threshold,
            Mode::Greater => value > self.threshold,
            Mode::Equal => value == self.threshold,
            Mode::NotEqual => value != self.threshold,
            Mode::Leaf => false,
        };
        holds || (self.missing_is_yes && value.is_nan())
    }
}

impl Forest {
    /// Reads the trees of a node; `kind` is `class` or `target`, as the names of the weights begin.
    pub(super) fn of(node: Node<'_>, kind: &str, scores: usize) -> Result<Self, ReadError> {
        let listed = Listed::of(node)?;
        let mut forest = Self {
            nodes: listed.branches(node)?,
            roots: listed.roots(),
            leaves: Vec::new(),
            weights: Vec::new(),
            features: 0,
        };
        forest.check_walks(node)?;
        forest.hang_weights(node, kind, scores, &listed)?;
        let branches = forest.nodes.iter().filter(|branch| branch.mode != Mode::Leaf);
        forest.features = branches.map(|branch| branch.feature as usize + 1).max().unwrap_or(0);
        Ok(forest)
    }

    /// Returns the number of trees.
    pub(super) fn len(&self) -> usize {
        self.roots.len()
    }

    /// Walks every tree, and returns the weights of the leaves that are reached.
    pub(super) fn reached<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = &'a [Weight]> {
        self.roots.iter().map(|root| {
            let mut branch = &self.nodes[*root as usize];
            while branch.mode != Mode::Leaf {
                let next =
                    if branch.holds(row[branch.feature as usize]) { branch.yes } else { branch.no };
                branch = &self.nodes[next as usize];
            }
            let leaf = branch.yes as usize;
            &self.weights[self.leaves[leaf] as usize..self.leaves[leaf + 1] as usize]
        })
    }

    /// Says whether a weight is negative.
    pub(super) fn has_negative_weights(&self) -> bool {
        self.weights.iter().any(|weight| weight.value < 0.0)
    }

    /// Returns the only score that the leaves add to, if there is only one.
    pub(super) fn only_score(&self) -> Option<usize> {
        let first = self.weights.first()?.score;
        self.weights.iter().all(|weight| weight.score == first).then_some(first as usize)
    }

    /// Checks that every walk ends: no node may be reached twice from the roots.
    fn check_walks(&self, node: Node<'_>) -> Result<(), ReadError> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<u32> = self.roots.clone();
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at as usize], true) {
                return Err(node.corrupt("has a tree with a circle in it"));
            }
            let branch = &self.nodes[at as usize];
            if branch.mode != Mode::Leaf {
                open.extend([branch.yes, branch.no]);
            }
        }
        Ok(())
    }

    /// Sorts the weights by their leaves.
    fn hang_weights(
        &mut self,
        node: Node<'_>,
        kind: &str,
        scores: usize,
        listed: &Listed<'_>,
    ) -> Result<(), ReadError> {
        let ints = |what: &str| node.ints(&format!("{kind}_{what}"));
        let (ids, nodes, trees) = (ints("ids"), ints("nodeids"), ints("treeids"));
        let values = node.floats(&format!("{kind}_weights"));
        if [nodes.len(), trees.len(), values.len()] != [ids.len(); 3] {
            return Err(node.corrupt("has weights whose lists are of several lengths"));
        }
        let mut hung = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            let score = u32::try_from(*id).ok().filter(|score| (*score as usize) < scores);
            let place = listed.places.get(&(trees[at], nodes[at]));
            let (Some(score), Some(place)) = (score, place) else {
                return Err(node.corrupt("has a weight for a leaf or a score that is not there"));
            };
            let branch = &self.nodes[*place as usize];
            // Some exporters give weights to branches too; no walk ends there.
            if branch.mode == Mode::Leaf {
                hung.push((branch.yes, Weight { score, value: values[at] }));
            }
        }
        hung.sort_by_key(|(leaf, _)| *leaf);
        let leaves = self.nodes.iter().filter(|branch| branch.mode == Mode::Leaf).count();
        self.leaves = vec![0; leaves + 1];
        for (leaf, _) in &hung {
            self.leaves[*leaf as usize + 1] += 1;
        }
        for leaf in 0..leaves {
            self.leaves[leaf + 1] += self.leaves[leaf];
        }
        self.weights = hung.into_iter().map(|(_, weight)| weight).collect();
        Ok(())
    }
}

/// The lists of nodes, which are all of one length.
struct Listed<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    values: &'a [f32],
    yes: &'a [i64],
    no: &'a [i64],
    missing: &'a [i64],
    modes: Vec<Mode>,
    /// Tree and number of a node → its place in the lists.
    places: HashMap<(i64, i64), u32>,
}

impl<'a> Listed<'a> {
    fn of(node: Node<'a>) -> Result<Self, ReadError> {
        for list in ["nodes_values_as_tensor", "base_values_as_tensor"] {
            if node.tensor(list)?.is_some() {
                return Err(node.unsupported("has trees in float64"));
            }
        }
        let modes = node.bytes("nodes_modes").iter().map(|word| Mode::of(word));
        let modes: Option<Vec<Mode>> = modes.collect();
        let modes = modes.ok_or_else(|| node.corrupt("has a branch of an unknown kind"))?;
        let mut listed = Self {
            trees: node.ints("nodes_treeids"),
            ids: node.ints("nodes_nodeids"),
            features: node.ints("nodes_featureids"),
            values: node.floats("nodes_values"),
            yes: node.ints("nodes_truenodeids"),
            no: node.ints("nodes_falsenodeids"),
            missing: node.ints("nodes_missing_value_tracks_true"),
            modes,
            places: HashMap::new(),
        };
        let count = listed.modes.len();
        let lists = [listed.trees, listed.ids, listed.features, listed.yes, listed.no];
        let missing_fits = listed.missing.is_empty() || listed.missing.len() == count;
        if lists.iter().any(|list| list.len() != count)
            || listed.values.len() != count
            || !missing_fits
            || u32::try_from(count).is_err()
        {
            return Err(node.corrupt("has trees whose lists are of several lengths"));
        }
        for (at, key) in listed.trees.iter().zip(listed.ids).enumerate() {
            if listed.places.insert((*key.0, *key.1), at as u32).is_some() {
                return Err(node.corrupt(format!("has the node {} of tree {} twice", key.1, key.0)));
            }
        }
        Ok(listed)
    }

    fn branches(&self, node: Node<'_>) -> Result<Vec<Branch>, ReadError> {
        let mut branches = Vec::with_capacity(self.modes.len());
        let mut leaves = 0;
        for (at, mode) in self.modes.iter().enumerate() {
            if *mode == Mode::Leaf {
                branches.push(Branch {
                    threshold: 0.0,
                    feature: 0,
                    yes: leaves,
                    no: leaves,
                    mode: *mode,
                    missing_is_yes: false,
                });
                leaves += 1;
                continue;
            }
            let place = |id: i64| self.places.get(&(self.trees[at], id)).copied();
            let (Some(yes), Some(no)) = (place(self.yes[at]), place(self.no[at])) else {
                return Err(node.corrupt("has a branch to a node that is not there"));
            };
            let feature = u32::try_from(self.features[at]);
            branches.push(Branch {
                threshold: self.values[at],
                feature: feature.map_err(|_| node.corrupt("asks for an impossible feature"))?,
                yes,
                no,
                mode: *mode,
                missing_is_yes: self.missing.get(at) == Some(&1),
            });
        }
        Ok(branches)
    }

    /// Returns the first node of each tree: trees lie one after another.
    fn roots(&self) -> Vec<u32> {
        let starts = |at: &usize| *at == 0 || self.trees[*at] != self.trees[*at - 1];
        (0..self.trees.len()).filter(starts).map(|at| at as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::super::{
            node::Surroundings,
            proto::{AttributeProto, NodeProto},
        },
        *,
    };

    /// A tree with one branch and two leaves, which a test changes by name.
    fn lists() -> Vec<AttributeProto> {
        let ints = |name: &str, ints: &[i64]| AttributeProto {
            name: name.to_owned(),
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        let floats = |name: &str, floats: &[f32]| AttributeProto {
            name: name.to_owned(),
            floats: floats.to_vec(),
            ..AttributeProto::default()
        };
        let modes = ["BRANCH_LEQ", "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec());
        vec![
            ints("nodes_treeids", &[0, 0, 0]),
            ints("nodes_nodeids", &[0, 1, 2]),
            ints("nodes_featureids", &[1, 0, 0]),
            ints("nodes_truenodeids", &[1, 0, 0]),
            ints("nodes_falsenodeids", &[2, 0, 0]),
            ints("nodes_missing_value_tracks_true", &[1, 0, 0]),
            floats("nodes_values", &[0.5, 0.0, 0.0]),
            AttributeProto {
                name: "nodes_modes".to_owned(),
                strings: modes.to_vec(),
                ..AttributeProto::default()
            },
            ints("target_treeids", &[0, 0]),
            ints("target_nodeids", &[1, 2]),
            ints("target_ids", &[0, 0]),
            floats("target_weights", &[-1.0, 1.0]),
        ]
    }

    fn forest(attribute: Vec<AttributeProto>) -> Result<Forest, ReadError> {
        let proto = NodeProto {
            op_type: "TreeEnsembleRegressor".to_owned(),
            attribute,
            ..NodeProto::default()
        };
        let surroundings = Surroundings { opset: 0, folder: Path::new(""), in_a_scan: false };
        Forest::of(Node { proto: &proto, surroundings }, "target", 1)
    }

    fn check(name: &str, ints: &[i64], expect: &str) {
        let mut lists = lists();
        lists
            .iter_mut()
            .filter(|list| list.name == name)
            .for_each(|list| list.ints = ints.to_vec());
        let error = forest(lists).unwrap_err().to_string();
        assert_eq!(error, format!("a TreeEnsembleRegressor {expect}"));
    }

    fn value(forest: &Forest, feature: f32) -> f32 {
        forest.reached(&[0.0, feature]).flatten().map(|weight| weight.value).sum()
    }

    #[test]
    fn a_row_ends_where_its_tests_lead() {
        let forest = forest(lists()).unwrap();
        assert_eq!(forest.features, 2);
        let found =
            [0.4, 0.5, 0.500_000_1, f32::NAN, f32::INFINITY].map(|item| value(&forest, item));
        assert_eq!(found, [-1.0, -1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn a_circle_of_nodes_is_refused() {
        check("nodes_truenodeids", &[0, 0, 0], "has a tree with a circle in it");
        check("nodes_falsenodeids", &[1, 0, 0], "has a tree with a circle in it");
    }

    #[test]
    fn a_branch_to_nowhere_is_refused() {
        check("nodes_truenodeids", &[7, 0, 0], "has a branch to a node that is not there");
        check("nodes_falsenodeids", &[-1, 0, 0], "has a branch to a node that is not there");
        check("nodes_truenodeids", &[i64::MIN, 0, 0], "has a branch to a node that is not there");
    }

    #[test]
    fn lists_that_lie_about_their_length_are_refused() {
        check("nodes_nodeids", &[0, 1], "has trees whose lists are of several lengths");
        check(
            "nodes_missing_value_tracks_true",
            &[1],
            "has trees whose lists are of several lengths",
        );
        check("target_ids", &[0], "has weights whose lists are of several lengths");
    }

    #[test]
    fn a_node_a_feature_and_a_score_must_be_possible() {
        check("nodes_nodeids", &[0, 1, 1], "has the node 1 of tree 0 twice");
        check("nodes_featureids", &[-1, 0, 0], "asks for an impossible feature");
        check("target_ids", &[0, 1], "has a weight for a leaf or a score that is not there");
        check("target_nodeids", &[1, 9], "has a weight for a leaf or a score that is not there");
    }
}
