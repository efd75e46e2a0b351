//! Answers → lines of CSV or JSON. A file is there as a whole or not at all.

use std::{
    fs,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tempfile::NamedTempFile;
use wharf_spec::codes;

use super::{
    infer::{Column, Values},
    signature::Port,
    table::{Form, Target},
};
use crate::{
    build::output::sibling,
    error::{Error, Result},
};

/// Writes the answers to the rows of a table, in their order.
pub(super) struct Answers {
    form: Form,
    sink: Sink,
    /// What the first row had; every row has the same.
    names: Option<Vec<String>>,
}

enum Sink {
    File { new: BufWriter<NamedTempFile>, path: PathBuf },
    Stream(Box<dyn Write + Send>),
}

impl Answers {
    pub(super) fn open(form: Form, target: Target) -> Result<Self> {
        let sink = match target {
            Target::Stream(stream) => Sink::Stream(stream),
            Target::File(path) => Sink::File { new: new_file(&path)?, path },
        };
        Ok(Self { form, sink, names: None })
    }

    /// Writes the answers to a batch; breaks off where nobody reads them any more.
    pub(super) fn put(&mut self, rows: usize, columns: &[Column]) -> Result<ControlFlow<()>> {
        let names: Vec<String> = columns.iter().flat_map(names).collect();
        let mut lines = Vec::new();
        match &self.names {
            Some(first) if *first != names => {
                return Err(Error::new(
                    codes::PREDICT_REFUSED,
                    "the answers to some rows have another form than those to the first ones",
                ));
            }
            Some(_) => {}
            None => {
                lines = self.header(&names);
                self.names = Some(names);
            }
        }
        for row in 0..rows {
            match self.form {
                Form::Csv => csv_line(columns, row, &mut lines),
                Form::JsonLines => json_line(columns, row, &mut lines),
            }
        }
        self.write(&lines)
    }

    /// Puts the file into its place; of a table without rows it has the columns that the model promises.
    pub(super) fn finish(mut self, outputs: &[Port]) -> Result<()> {
        if self.names.is_none() {
            let names: Vec<_> = outputs.iter().flat_map(promised).collect();
            let header = self.header(&names);
            // Whoever went away has not waited for a header.
            let _gone = self.write(&header)?;
        }
        let Sink::File { new, path } = self.sink else { return Ok(()) };
        let failed = |error| Error::file("write", &path, error);
        let new = new.into_inner().map_err(|error| failed(error.into_error()))?;
        new.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn header(&self, names: &[String]) -> Vec<u8> {
        let mut line = Vec::new();
        if self.form == Form::Csv {
            end_of_line(names.iter().map(String::as_bytes), &mut line);
        }
        line
    }

    fn write(&mut self, lines: &[u8]) -> Result<ControlFlow<()>> {
        let (written, path) = match &mut self.sink {
            Sink::File { new, path } => (new.write_all(lines), path.as_path()),
            Sink::Stream(stream) => {
                let written = stream.write_all(lines).and_then(|()| stream.flush());
                (written, Path::new("stdout"))
            }
        };
        match written {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(Error::file("write", path, error)),
        }
    }
}

/// Makes a file beside its place, and clears away what a killed command left there.
fn new_file(path: &Path) -> Result<BufWriter<NamedTempFile>> {
    if path.exists() && !path.is_file() {
        let action = format!("`{}` is no file", path.display());
        return Err(Error::new(codes::TARGET_TAKEN, action)
            .hint("name a file with `-o FILE`, or write to stdout: `-o -`"));
    }
    sibling::tidy(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let new =
        sibling::new_file(parent.unwrap_or(Path::new(".")), fs::Permissions::from_mode(0o644));
    new.map(BufWriter::new).map_err(|error| Error::file("write", path, error))
}

/// Returns the columns that an output has in CSV: one, or one for each value.
fn names(column: &Column) -> Vec<String> {
    numbered(&column.name, column.width)
}

fn promised(output: &Port) -> Vec<String> {
    let row = output.shape.get(1..).filter(|row| !row.is_empty());
    let width = row.and_then(|row| {
        row.iter().try_fold(1, |width: usize, size| width.checked_mul(usize::try_from(*size).ok()?))
    });
    numbered(&output.name, width)
}

fn numbered(name: &str, width: Option<usize>) -> Vec<String> {
    match width {
        None | Some(1) => vec![name.to_owned()],
        Some(width) => (0..width).map(|index| format!("{name}_{index}")).collect(),
    }
}

fn csv_line(columns: &[Column], row: usize, out: &mut Vec<u8>) {
    let cells = columns.iter().flat_map(|column| {
        let width = column.width.unwrap_or(1);
        (row * width..(row + 1) * width).map(|index| column.values.cell(index))
    });
    end_of_line(cells, out);
}

/// Writes one record of CSV.
fn end_of_line(cells: impl Iterator<Item = impl AsRef<[u8]>>, out: &mut Vec<u8>) {
    csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(out)
        .write_record(cells)
        .expect("memory takes every record");
}

fn json_line(columns: &[Column], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        json_into(&column.name, out);
        out.push(b':');
        match column.width {
            None => column.values.json_into(row, out),
            Some(width) => {
                out.push(b'[');
                for index in 0..width {
                    if index > 0 {
                        out.push(b',');
                    }
                    column.values.json_into(row * width + index, out);
                }
                out.push(b']');
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

fn json_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain values can be written to memory");
}

impl Values {
    /// Writes a value as JSON: floats with as many digits as their own width needs, what is no number as `null`.
    fn json_into(&self, index: usize, out: &mut Vec<u8>) {
        match self {
            Self::F32(items) => json_into(&items[index], out),
            Self::F64(items) => json_into(&items[index], out),
            Self::I64(items) => json_into(&items[index], out),
            Self::U64(items) => json_into(&items[index], out),
            Self::Bool(items) => json_into(&items[index], out),
            Self::Json(items) => json_into(&items[index], out),
        }
    }

    /// Returns a value as a cell: a text as it is, nothing where there is none.
    fn cell(&self, index: usize) -> Vec<u8> {
        match self {
            Self::Json(items) if items[index].is_null() => Vec::new(),
            Self::Json(items) if items[index].is_string() => {
                items[index].as_str().unwrap_or_default().as_bytes().to_vec()
            }
            Self::F32(items) if !items[index].is_finite() => not_finite(items[index].into()),
            Self::F64(items) if !items[index].is_finite() => not_finite(items[index]),
            _ => {
                let mut cell = Vec::new();
                self.json_into(index, &mut cell);
                cell
            }
        }
    }
}

/// A missing number is an empty cell, as pandas writes it.
fn not_finite(number: f64) -> Vec<u8> {
    if number.is_nan() { Vec::new() } else { number.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn columns() -> Vec<Column> {
        let column = |name: &str, width, values| Column { name: name.to_owned(), width, values };
        vec![
            column("predict", None, Values::Json(vec![json!("a,\"b\""), json!(null)])),
            column("proba", Some(2), Values::F32(vec![0.1, f32::NAN, 1.0, f32::INFINITY])),
        ]
    }

    fn written(form: Form) -> String {
        let shared = Shared::default();
        let mut answers = Answers::open(form, Target::Stream(Box::new(shared.clone()))).unwrap();
        assert!(answers.put(2, &columns()).unwrap().is_continue());
        answers.finish(&[]).unwrap();
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn rows_are_lines_of_csv() {
        let expect = "predict,proba_0,proba_1\n\"a,\"\"b\"\"\",0.1,\n,1.0,inf\n";
        assert_eq!(written(Form::Csv), expect);
    }

    #[test]
    fn rows_are_lines_of_json() {
        let expect = "{\"predict\":\"a,\\\"b\\\"\",\"proba\":[0.1,null]}\n{\"predict\":null,\"proba\":[1.0,null]}\n";
        assert_eq!(written(Form::JsonLines), expect);
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "before").unwrap();
        let mut answers = Answers::open(Form::Csv, Target::File(path.clone())).unwrap();
        assert!(answers.put(2, &columns()).unwrap().is_continue());
        drop(answers);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let answers = Answers::open(Form::Csv, Target::File(path.clone())).unwrap();
        let output = json!([{ "name": "proba", "datatype": "FP32", "shape": [-1, 2] }]);
        answers.finish(&serde_json::from_value::<Vec<Port>>(output).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "proba_0,proba_1\n");
    }

    #[test]
    fn devices_are_not_replaced() {
        let error = Answers::open(Form::Csv, Target::File("/dev/null".into())).err().unwrap();
        assert!(error.to_string().contains("is no file"), "{error}");
    }

    #[test]
    fn rows_of_another_form_are_refused() {
        let mut answers =
            Answers::open(Form::Csv, Target::Stream(Box::new(Shared::default()))).unwrap();
        assert!(answers.put(2, &columns()).unwrap().is_continue());
        assert!(answers.put(2, &columns()[..1]).is_err());
    }
}
