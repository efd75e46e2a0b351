//! A CSV file → batches of rows, as tensors in binary. Nothing is kept but the batch that is being read.

use std::io::{self, Chain, Read};

use csv::{Reader, ReaderBuilder, StringRecord, Terminator};
use wharf_spec::codes;

use super::{
    cell,
    signature::{Datatype, Port, RowsOfCall, Signature},
};
use crate::error::{Error, Result};

/// Most rows of a batch, and the bytes of tensors after which one is full.
const MAX_ROWS: usize = 1_000;
const FULL: usize = 4 << 20;

/// Most bytes of one row: behind a quote that is never closed the whole file is one field.
const MAX_ROW: usize = 16 << 20;

/// A table that is being read.
pub(super) struct Rows<R> {
    /// For messages.
    name: String,
    reader: Reader<Chain<Bounded<R>, &'static [u8]>>,
    record: StringRecord,
    fields: usize,
    cells: Vec<Cell>,
    /// The shape of each input, without the dimension that counts rows.
    shapes: Vec<Vec<i64>>,
    rows_of_call: RowsOfCall,
    /// Columns that the model does not take.
    pub(super) unused: Vec<String>,
}

/// Where a cell of each row goes.
struct Cell {
    name: String,
    /// Its place in the row.
    field: usize,
    /// The place of its input.
    input: usize,
    datatype: Datatype,
    missing: bool,
}

/// Rows that are asked for together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) first_line: u64,
    pub(super) last_line: u64,
    pub(super) inputs: Vec<Tensor>,
    /// How many bytes of the file have been read.
    pub(super) read: u64,
}

/// The rows of one input.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) shape: Vec<i64>,
    pub(super) bytes: Vec<u8>,
}

impl<R: Read> Rows<R> {
    /// Begins to read: the header says where the model's columns are.
    pub(super) fn open(name: &str, source: R, signature: &Signature) -> Result<Self> {
        let bounded = Bounded { inner: source, left: MAX_ROW, read: 0 };
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .buffer_capacity(1 << 16)
            // Lines can be counted only where each ends so, the last one too.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(bounded.chain(&b"\n"[..]));
        let header = reader.headers().map_err(|error| unreadable(name, &error))?.clone();
        let header: Vec<&str> = header.iter().map(str::trim).collect();
        let Columns { cells, shapes } = Columns::find(name, &header, &signature.inputs)?;
        let is_used = |place: &usize| cells.iter().any(|cell| cell.field == *place);
        let unused = (0..header.len()).filter(|place| !is_used(place));
        Ok(Self {
            name: name.to_owned(),
            record: StringRecord::new(),
            fields: header.len(),
            unused: unused.map(|place| header[place].to_owned()).collect(),
            cells,
            shapes,
            rows_of_call: signature.rows,
            reader,
        })
    }

    /// Reads the next rows; `None` after the last one.
    pub(super) fn next(&mut self) -> Result<Option<Batch>> {
        let limit = if self.rows_of_call == RowsOfCall::One { 1 } else { MAX_ROWS };
        let mut tensors = vec![Vec::new(); self.shapes.len()];
        let (mut rows, mut first_line, mut last_line) = (0, 0, 0);
        while rows < limit && tensors.iter().map(Vec::len).sum::<usize>() < FULL {
            self.reader.get_mut().get_mut().0.left = MAX_ROW;
            let more = self.reader.read_record(&mut self.record);
            if !more.map_err(|error| unreadable(&self.name, &error))? {
                break;
            }
            if self.record == ["\r"][..] {
                continue;
            }
            last_line = self.line();
            if rows == 0 {
                first_line = last_line;
            }
            self.put(last_line, &mut tensors)?;
            rows += 1;
        }
        let sized = |(bytes, row): (Vec<u8>, &Vec<i64>)| {
            let shape = std::iter::once(rows as i64).chain(row.iter().copied()).collect();
            Tensor { shape, bytes }
        };
        let inputs = tensors.into_iter().zip(&self.shapes).map(sized).collect();
        let read = self.reader.get_ref().get_ref().0.read;
        Ok((rows > 0).then_some(Batch { rows, first_line, last_line, inputs, read }))
    }

    /// Returns the line on which the row begins that was just read.
    fn line(&self) -> u64 {
        let within: usize = self
            .record
            .iter()
            .map(|field| field.bytes().filter(|byte| *byte == b'\n').count())
            .sum();
        self.reader.position().line() - 1 - within as u64
    }

    fn put(&self, line: u64, tensors: &mut [Vec<u8>]) -> Result<()> {
        let given = self.record.len();
        if given != self.fields {
            let action = format!(
                "{}:{line}:{}: the row has {given} values, the header names {} columns",
                self.name,
                given.min(self.fields) + 1,
                self.fields
            );
            return Err(Error::new(codes::TABLE_MISFIT, action));
        }
        for cell in &self.cells {
            let text = &self.record[cell.field];
            let is_last = cell.field + 1 == self.fields;
            let text = if is_last { text.strip_suffix('\r').unwrap_or(text) } else { text };
            let put = cell::put(text, cell.datatype, cell.missing, &mut tensors[cell.input]);
            put.map_err(|wanted| {
                let (column, name) = (cell.field + 1, &cell.name);
                let action = format!(
                    "{}:{line}:{column}: `{name}` is `{}`, and should be {wanted}",
                    self.name,
                    shown(text)
                );
                Error::new(codes::TABLE_MISFIT, action)
            })?;
        }
        Ok(())
    }
}

/// Where the values of the inputs stand in a row of the file.
struct Columns {
    cells: Vec<Cell>,
    shapes: Vec<Vec<i64>>,
}

impl Columns {
    fn find(file: &str, header: &[&str], inputs: &[Port]) -> Result<Self> {
        let mut columns = Self { cells: Vec::new(), shapes: Vec::new() };
        let mut lacking = Vec::new();
        for (input, port) in inputs.iter().enumerate() {
            let row = port.shape.get(1..).unwrap_or_default();
            let shape = row_shape(row, port.parameters.columns.len().max(header.len()));
            let width = shape.iter().product::<i64>();
            let named: &[String] = match &port.parameters.columns[..] {
                names if !names.is_empty() && names.len() as i64 == width => names,
                _ if width == 1 => std::slice::from_ref(&port.name),
                _ => &[],
            };
            let places = if named.is_empty() {
                in_order(file, header, port, width, inputs.len())?
            } else {
                let mut places = Vec::with_capacity(named.len());
                for name in named {
                    match place(file, header, name)? {
                        Some(place) => places.push(place),
                        None => lacking.push(name.as_str()),
                    }
                }
                places
            };
            let cells = places.into_iter().map(|field| Cell {
                name: header[field].to_owned(),
                field,
                input,
                datatype: port.datatype,
                missing: port.parameters.missing,
            });
            columns.cells.extend(cells);
            columns.shapes.push(shape);
        }
        if lacking.is_empty() {
            return Ok(columns);
        }
        let names: Vec<_> = lacking.iter().map(|name| format!("`{name}`")).collect();
        let action = format!("{file}:1:1: the header lacks {}", names.join(", "));
        let there: Vec<_> = header.iter().map(|name| format!("`{}`", shown(name))).collect();
        Err(Error::new(codes::TABLE_MISFIT, action)
            .hint(format!("the table has {}; the first line names the columns", there.join(", "))))
    }
}

/// Returns the dimensions of a row; a free one is what the table has.
fn row_shape(row: &[i64], columns: usize) -> Vec<i64> {
    match row {
        [-1] => vec![columns as i64],
        sizes => sizes.iter().map(|size| (*size).max(1)).collect(),
    }
}

fn place(file: &str, header: &[&str], name: &str) -> Result<Option<usize>> {
    let mut places = (0..header.len()).filter(|place| header[*place] == name);
    let first = places.next();
    match places.next() {
        None => Ok(first),
        Some(again) => {
            let action = format!("{file}:1:{}: the column `{name}` is there twice", again + 1);
            Err(Error::new(codes::TABLE_MISFIT, action))
        }
    }
}

/// Returns the places of an input whose values have no names: all columns, as they stand.
fn in_order(
    file: &str,
    header: &[&str],
    port: &Port,
    width: i64,
    inputs: usize,
) -> Result<Vec<usize>> {
    let misfit = |action: String| Err(Error::new(codes::TABLE_MISFIT, action));
    if inputs > 1 {
        return misfit(format!("the model takes {inputs} arrays, which one table cannot give"));
    }
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return misfit(format!("{file}:1:1: the first line should name the columns"));
    }
    if width != header.len() as i64 {
        let name = &port.name;
        let action = format!(
            "{file}:1:1: the table has {} columns, a row of `{name}` has {width} values",
            header.len()
        );
        return Err(Error::new(codes::TABLE_MISFIT, action).hint(
            "the model's columns have no names, so the table has them and no others, in their order",
        ));
    }
    Ok((0..header.len()).collect())
}

/// A text of somebody's file may be as long as the file.
fn shown(text: &str) -> &str {
    const SHOWN: usize = 60;
    &text[..text.floor_char_boundary(SHOWN)]
}

fn unreadable(file: &str, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(source) => {
            let source = io::Error::new(source.kind(), source.to_string());
            Error::file("read", file.as_ref(), source)
        }
        csv::ErrorKind::Utf8 { pos, err } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let action = format!("{file}:{line}:{}: the text is not UTF-8", err.field() + 1);
            Error::new(codes::TABLE_MISFIT, action)
        }
        _ => Error::new(codes::TABLE_MISFIT, format!("{file} cannot be read as CSV"))
            .because(error.to_string()),
    }
}

/// Counts what is read, and stops where one row would fill the memory.
struct Bounded<R> {
    inner: R,
    left: usize,
    read: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let why = format!("a row has more than {} MB; is a quote not closed?", MAX_ROW >> 20);
            return Err(io::Error::other(why));
        }
        let room = buffer.len().min(self.left);
        let count = self.inner.read(&mut buffer[..room])?;
        self.left -= count;
        self.read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signature(inputs: serde_json::Value) -> Signature {
        Signature {
            path: String::new(),
            inputs: serde_json::from_value(inputs).unwrap(),
            outputs: Vec::new(),
            rows: RowsOfCall::Many,
        }
    }

    fn named() -> Signature {
        let parameters = json!({ "columns": ["a", "b"] });
        signature(json!([
            { "name": "data", "datatype": "FP32", "shape": [-1, 2], "parameters": parameters },
        ]))
    }

    fn floats(tensor: &Tensor) -> Vec<f32> {
        tensor.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn wrong(signature: &Signature, csv: &str) -> String {
        let error = match Rows::open("t.csv", csv.as_bytes(), signature) {
            Ok(mut rows) => rows.next().unwrap_err(),
            Err(error) => error,
        };
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
        format!("{error}{}", cause.unwrap_or_default())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let csv = "\u{feff}b,label,a\r\n1,x,2\r\n\r\n3,\"y\nz\",4\r\n5,,6\r\n";
        let mut rows = Rows::open("t.csv", csv.as_bytes(), &named()).unwrap();
        assert_eq!(rows.unused, ["label"]);
        let batch = rows.next().unwrap().unwrap();
        assert_eq!(floats(&batch.inputs[0]), [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
        assert_eq!(batch.inputs[0].shape, [3, 2]);
        assert_eq!((batch.rows, batch.first_line, batch.last_line), (3, 2, 6));
        assert_eq!(batch.read, csv.len() as u64);
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn a_table_of_the_model_has_a_tensor_for_each_column() {
        let table = signature(json!([
            { "name": "age", "datatype": "INT64", "shape": [-1] },
            { "name": "city", "datatype": "BYTES", "shape": [-1] },
        ]));
        let mut rows = Rows::open("t.csv", &b"city,age\nOslo,30\n"[..], &table).unwrap();
        let batch = rows.next().unwrap().unwrap();
        assert_eq!(batch.inputs[0].bytes, 30_i64.to_le_bytes());
        assert_eq!(batch.inputs[1].bytes, b"\x04\0\0\0Oslo");
        assert_eq!(batch.inputs[1].shape, [1]);
    }

    #[test]
    fn a_batch_has_a_limit() {
        let csv = format!("a,b\n{}", "1,2\n".repeat(2_500));
        let mut rows = Rows::open("t.csv", csv.as_bytes(), &named()).unwrap();
        let sizes: Vec<_> =
            std::iter::from_fn(|| rows.next().unwrap()).map(|batch| batch.rows).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |csv: &str, expect: &str| assert_eq!(wrong(&named(), csv), expect);
        check("b,c\n1,2\n", "t.csv:1:1: the header lacks `a`");
        check("a,b,a\n1,2,3\n", "t.csv:1:3: the column `a` is there twice");
        check("b,a\n1,2\n3,x\n", "t.csv:3:2: `a` is `x`, and should be a number");
        check("b,a\n1,\n", "t.csv:2:2: `a` is ``, and should be a value: none may be missing");
        check("a,b\n1\n", "t.csv:2:2: the row has 1 values, the header names 2 columns");
    }

    #[test]
    fn columns_without_names_stand_in_order() {
        let unnamed =
            signature(json!([{ "name": "data", "datatype": "FP32", "shape": [-1, 2, 1] }]));
        let mut rows = Rows::open("t.csv", &b"x,y\n1,2\n"[..], &unnamed).unwrap();
        let batch = rows.next().unwrap().unwrap();
        assert_eq!(
            (floats(&batch.inputs[0]), &batch.inputs[0].shape[..]),
            (vec![1.0, 2.0], &[1, 2, 1][..])
        );
        assert!(wrong(&unnamed, "1,2\n3,4\n").contains("should name the columns"));
        let other = "t.csv:1:1: the table has 3 columns, a row of `data` has 2 values";
        assert_eq!(wrong(&unnamed, "x,y,z\n"), other);
    }

    #[test]
    fn a_row_that_does_not_end_is_not_kept() {
        struct Endless(&'static [u8]);

        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    buffer.fill(b'x');
                    return Ok(buffer.len());
                }
                self.0.read(buffer)
            }
        }

        let mut rows = Rows::open("t.csv", Endless(b"a,b\n\"1"), &named()).unwrap();
        let error = rows.next().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("more than 16 MB"), "{cause}");
    }
}
