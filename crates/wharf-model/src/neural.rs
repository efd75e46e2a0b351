//! Neural networks in ONNX, by `rten`. No other file names it: a server for classic models must not link it.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rten::{
    DataType, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueType,
};
use rten_tensor::prelude::*;

use crate::{
    error::{ReadError, RunError},
    onnx::{self, Facts, Port},
    tensor::{Data, Tensor},
};

/// The input types that `rten` takes, in its own or in a narrower type.
const TAKEN: [&str; 8] =
    ["float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool"];

/// No more threads than this, however many cores there are.
const MOST_THREADS: usize = 8;

/// A loaded network. Any number of threads may run it at once.
#[derive(Debug)]
pub struct Net {
    facts: Facts,
    model: Model,
    /// A run has one thread: on nets of this size more of them wait for each other, above all on a busy machine.
    /// So runs at the same time go to pools of their own.
    pools: Vec<Arc<ThreadPool>>,
    next_pool: AtomicUsize,
}

impl Net {
    /// Reads a network; `folder` is where its file lies, for weights in files beside it.
    ///
    /// # Errors
    /// When the bytes are damaged, or the network uses an operator or a type that the runtime does not have.
    pub fn load(bytes: Vec<u8>, folder: &Path) -> Result<Self, ReadError> {
        let facts = onnx::facts(&bytes)?;
        let missing = facts.not_neural();
        if !missing.is_empty() {
            return Err(ReadError::unsupported(format!(
                "it uses what the runtime for neural networks lacks: {}",
                missing.join(", ")
            )));
        }
        let untaken = |port: &&Port| !TAKEN.contains(&port.dtype.as_str()) || port.is_class_map;
        if let Some(port) = facts.inputs.iter().find(untaken) {
            return Err(ReadError::unsupported(format!(
                "its input `{}` is {}, which the runtime for neural networks does not take",
                port.name, port.dtype
            )));
        }
        onnx::check_growth(&bytes)?;
        let mut options = ModelOptions::with_all_ops();
        for file in &facts.external_files {
            options.external_data(file, read_beside(folder, file)?);
        }
        let model = guarded(|| options.load(bytes)).map_err(ReadError::corrupt)?;
        let model = model.map_err(|error| ReadError::unsupported(error.to_string()))?;
        if model.input_ids().len() != facts.inputs.len()
            || model.output_ids().len() != facts.outputs.len()
        {
            return Err(ReadError::corrupt("its inputs and outputs are not what it declares"));
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let pools = (0..threads).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect();
        Ok(Self { facts, model, pools, next_pool: AtomicUsize::new(0) })
    }

    /// Returns what the network says about itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Runs the network: one array for each input of the graph, one for each output, in the graph's order.
    ///
    /// # Errors
    /// When an input has a shape or a value that the network does not take.
    pub fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, RunError> {
        let ids = self.model.input_ids();
        if inputs.len() != ids.len() {
            let (wanted, found) = (ids.len(), inputs.len());
            return Err(RunError(format!("the model takes {wanted} inputs, not {found}")));
        }
        let mut given: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(ids.len());
        for ((id, port), input) in ids.iter().zip(&self.facts.inputs).zip(inputs) {
            let wanted = self.model.node_info(*id).and_then(|node| node.dtype());
            let value = value(input, wanted)
                .map_err(|RunError(why)| RunError(format!("input `{}`: {why}", port.name)))?;
            given.push((*id, value.into()));
        }
        let pool = self.next_pool.fetch_add(1, Ordering::Relaxed) % self.pools.len();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pools[pool])));
        let made = guarded(|| self.model.run(given, self.model.output_ids(), Some(options)));
        let made = made.map_err(RunError)?.map_err(|error| RunError(error.to_string()))?;
        made.into_iter().zip(&self.facts.outputs).map(|(value, port)| tensor(value, port)).collect()
    }
}

/// Runs what may panic on a network that contradicts itself in a way nobody foresaw.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| "the runtime for neural networks stumbled over it".to_owned())
}

/// Reads a file in the folder; that the name stays inside it has been checked with the other facts.
fn read_beside(folder: &Path, file: &str) -> Result<Vec<u8>, ReadError> {
    let path = folder.join(file);
    let wrong =
        |why: String| ReadError::corrupt(format!("its weights in `{file}` cannot be read: {why}"));
    let found = fs::metadata(&path).map_err(|error| wrong(error.to_string()))?;
    if !found.is_file() {
        return Err(wrong("it is no file".to_owned()));
    }
    fs::read(&path).map_err(|error| wrong(error.to_string()))
}

/// Gives the runtime its own type: it has no int64, float64 or bool.
fn value(input: Tensor, wanted: Option<ValueType>) -> Result<Value, RunError> {
    let (shape, data) = input.into_parts();
    let wanted = match wanted {
        Some(ValueType::Tensor(kind)) => kind,
        _ if matches!(data, Data::F32(_) | Data::F64(_)) => DataType::Float,
        _ => DataType::Int32,
    };
    match wanted {
        DataType::Float => made(shape, floats(data)?),
        DataType::Int32 => made(shape, integers::<i32>(data)?),
        DataType::Int8 => made(shape, integers::<i8>(data)?),
        DataType::UInt8 => made(shape, integers::<u8>(data)?),
        other => Err(RunError(format!("it is of the type {other}, which wharf does not give"))),
    }
}

fn made<T>(shape: Vec<usize>, items: Vec<T>) -> Result<Value, RunError>
where
    Value: From<rten_tensor::Tensor<T>>,
{
    Value::from_shape(shape, items).map_err(|error| RunError(error.to_string()))
}

fn floats(data: Data) -> Result<Vec<f32>, RunError> {
    match data {
        Data::F32(items) => Ok(items),
        Data::F64(items) => Ok(items.into_iter().map(|item| item as f32).collect()),
        _ => Err(RunError("it takes floats".to_owned())),
    }
}

fn integers<T: TryFrom<i64>>(data: Data) -> Result<Vec<T>, RunError> {
    let items: Vec<i64> = match data {
        Data::I64(items) => items,
        Data::I32(items) => items.into_iter().map(i64::from).collect(),
        Data::Bool(items) => items.into_iter().map(i64::from).collect(),
        Data::U64(items) => {
            items.into_iter().map(|item| i64::try_from(item).unwrap_or(i64::MAX)).collect()
        }
        Data::F32(_) | Data::F64(_) | Data::Str(_) => {
            return Err(RunError("it takes integers".to_owned()));
        }
    };
    let narrow = |item: i64| {
        T::try_from(item).map_err(|_| RunError(format!("{item} is too large for the runtime")))
    };
    items.into_iter().map(narrow).collect()
}

/// Takes an answer back into the type that the graph declares.
fn tensor(value: Value, port: &Port) -> Result<Tensor, RunError> {
    let (shape, data) = match &value {
        Value::FloatTensor(tensor) => (tensor.shape().to_vec(), Data::F32(tensor.to_vec())),
        Value::Int32Tensor(tensor) => (tensor.shape().to_vec(), Data::I32(tensor.to_vec())),
        Value::Int8Tensor(tensor) => (
            tensor.shape().to_vec(),
            Data::I32(tensor.iter().map(|item| i32::from(*item)).collect()),
        ),
        Value::UInt8Tensor(tensor) => (
            tensor.shape().to_vec(),
            Data::I32(tensor.iter().map(|item| i32::from(*item)).collect()),
        ),
        _ => return Err(RunError(format!("the output `{}` is no array", port.name))),
    };
    let data = match (port.dtype.as_str(), data) {
        ("int64", Data::I32(items)) => Data::I64(items.into_iter().map(i64::from).collect()),
        ("bool", Data::I32(items)) => Data::Bool(items.into_iter().map(|item| item != 0).collect()),
        ("float64", Data::F32(items)) => Data::F64(items.into_iter().map(f64::from).collect()),
        (_, data) => data,
    };
    Tensor::new(shape, data)
        .ok_or_else(|| RunError(format!("the output `{}` does not fill its shape", port.name)))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// A model with one node, as the bytes of its messages.
    #[derive(Clone, PartialEq, prost::Message)]
    struct File {
        #[prost(int64, tag = "1")]
        ir_version: i64,
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Graph {
        #[prost(message, repeated, tag = "1")]
        node: Vec<Node>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Node {
        #[prost(string, tag = "4")]
        op_type: String,
    }

    #[test]
    fn the_runtime_knows_every_operator_that_is_said_to_be_neural() {
        for name in onnx::NEURAL.iter().filter(|name| **name != "Constant") {
            let node = Node { op_type: (*name).to_owned() };
            let file = File { ir_version: 8, graph: Some(Graph { node: vec![node] }) };
            if let Err(error) = ModelOptions::with_all_ops().load(file.encode_to_vec()) {
                let error = error.to_string();
                assert!(
                    !error.contains("not available") && !error.contains("not enabled"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_net_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Net>();
    }
}
