//! `Scan`: a graph that is run for each slice of its inputs, handing on a state.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{MOST_ELEMENTS, failed, pick, tensor},
        node::{Inputs, Kernel, Node, Surroundings},
        plan::Plan,
    },
    Build,
};

/// Slices without elements cost no memory, so their number has a bound of its own.
const MOST_SLICES: usize = 1 << 22;

pub(super) const OPERATORS: &[(&str, Build)] = &[("Scan", scan)];

#[derive(Debug)]
struct Scan {
    body: Plan,
    /// How many of the inputs are cut into slices; the others are the first state.
    scanned: usize,
}

fn scan(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let other_ways =
        ["scan_input_directions", "scan_output_directions", "scan_input_axes", "scan_output_axes"];
    if other_ways.iter().any(|name| node.ints(name).iter().any(|item| *item != 0)) {
        return Err(node.unsupported("goes backwards or along another axis than the first"));
    }
    if node.surroundings.opset < 9 {
        return Err(node.unsupported("is of an opset before 9"));
    }
    if node.surroundings.in_a_scan {
        return Err(node.unsupported("lies in another one"));
    }
    let inside = Surroundings { in_a_scan: true, ..node.surroundings };
    let body = Plan::of(node.graph("body")?, inside)?;
    let scanned = usize::try_from(node.int_or("num_scan_inputs", 0)).unwrap_or(usize::MAX);
    if body.input_count() != node.proto.input.len() || scanned == 0 || scanned > body.input_count()
    {
        return Err(node.corrupt("has other inputs than the graph in it"));
    }
    Ok(Box::new(Scan { body, scanned }))
}

impl Kernel for Scan {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let inputs = inputs.all()?;
        let Some((state, sliced)) =
            inputs.len().checked_sub(self.scanned).map(|at| inputs.split_at(at))
        else {
            return failed("it has too few inputs");
        };
        let count = sliced.first().and_then(|input| input.shape().first()).copied().unwrap_or(0);
        if sliced.iter().any(|input| input.shape().first() != Some(&count)) {
            return failed("its inputs have not the same number of slices");
        }
        if count > MOST_SLICES {
            return failed(format!("{count} slices are too many"));
        }
        let mut state: Vec<Tensor> = state.iter().copied().cloned().collect();
        let mut collected: Vec<Collected> = Vec::new();
        for at in 0..count {
            let mut given = state.clone();
            for input in sliced {
                given.push(slice(input, at)?);
            }
            let mut made = self.body.run(given)?;
            if made.len() < state.len() {
                return failed("the graph in it hands on too little");
            }
            let outputs = made.split_off(state.len());
            state = made;
            collect(&mut collected, outputs)?;
        }
        let mut made = state;
        for collected in collected {
            made.push(collected.finish()?);
        }
        Ok(made)
    }
}

/// Returns one slice along the first axis.
fn slice(input: &Tensor, at: usize) -> Result<Tensor, RunError> {
    let shape = input.shape()[1..].to_vec();
    let length: usize = shape.iter().product();
    tensor(shape, pick(input.data(), at * length..(at + 1) * length))
}

/// An output of the body, slice after slice.
struct Collected {
    shape: Vec<usize>,
    slices: usize,
    data: Data,
}

fn collect(collected: &mut Vec<Collected>, outputs: Vec<Tensor>) -> Result<(), RunError> {
    let first = collected.is_empty();
    for (at, output) in outputs.into_iter().enumerate() {
        let (shape, data) = output.into_parts();
        if first {
            collected.push(Collected { shape, slices: 1, data });
            continue;
        }
        let all = &mut collected[at];
        if all.shape != shape || all.data.len() + data.len() > MOST_ELEMENTS {
            return failed("the slices that it makes do not fit together, or are too many");
        }
        all.slices += 1;
        match (&mut all.data, data) {
            (Data::F32(all), Data::F32(items)) => all.extend(items),
            (Data::F64(all), Data::F64(items)) => all.extend(items),
            (Data::I32(all), Data::I32(items)) => all.extend(items),
            (Data::I64(all), Data::I64(items)) => all.extend(items),
            (Data::U64(all), Data::U64(items)) => all.extend(items),
            (Data::Bool(all), Data::Bool(items)) => all.extend(items),
            (Data::Str(all), Data::Str(items)) => all.extend(items),
            _ => return failed("the slices that it makes are of several types"),
        }
    }
    Ok(())
}

impl Collected {
    fn finish(self) -> Result<Tensor, RunError> {
        let mut shape = vec![self.slices];
        shape.extend(self.shape);
        tensor(shape, self.data)
    }
}
