//! Follows the opcodes of a pickle as Python's reader does, and notes every import instead of doing it.
//!
//! The opcodes and what each does to the stack: Python's `pickletools`.

use std::{
    collections::HashMap,
    io::{self, BufRead, Read},
    rc::Rc,
};

use super::{
    imports::Imports,
    scan::Dialect,
    value::{ArrayContent, MAX_TEXT, Value},
};
use crate::error::ReadError;

type Result<T, E = ReadError> = std::result::Result<T, E>;

/// How many values may be open at one moment.
const MAX_OPEN: usize = 4 << 20;

/// How many bytes of text are remembered over the whole file.
const MAX_TEXTS: u64 = 64 << 20;

/// The longest line of protocol 0.
const MAX_LINE: u64 = 1 << 20;

/// How many opcodes are followed.
const MAX_OPCODES: u64 = 200_000_000;

/// Lists the imports of the pickle that begins here.
pub(super) fn list(input: &mut dyn BufRead, dialect: Dialect) -> Result<Imports> {
    let mut imports = Imports::default();
    let mut texts_left = MAX_TEXTS;
    Machine::new(&mut Input { inner: input, at: 0 }, &mut imports, &mut texts_left, dialect)
        .run()?;
    Ok(imports)
}

/// Returns the error for bytes that could not be had.
pub(super) fn unreadable(error: &io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::corrupt("it ends in the middle"),
        _ => ReadError::corrupt(format!("it could not be read to its end: {error}")),
    }
}

struct Machine<'a, 'b> {
    input: &'a mut Input<'b>,
    imports: &'a mut Imports,
    texts_left: &'a mut u64,
    dialect: Dialect,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
}

/// Whether there is more to follow.
enum Next {
    Opcode,
    Stop,
}

impl<'a, 'b> Machine<'a, 'b> {
    fn new(
        input: &'a mut Input<'b>,
        imports: &'a mut Imports,
        texts_left: &'a mut u64,
        dialect: Dialect,
    ) -> Self {
        let (stack, marks, memo) = (Vec::new(), Vec::new(), Memo::default());
        Self { input, imports, texts_left, dialect, stack, marks, memo }
    }

    fn run(mut self) -> Result<()> {
        for _ in 0..MAX_OPCODES {
            if let Next::Stop = self.step()? {
                return Ok(());
            }
            if self.stack.len() + self.marks.len() > MAX_OPEN {
                return Err(self.corrupt(&format!("more than {MAX_OPEN} values are open at once")));
            }
        }
        self.imports.stop_early(format!("it has more than {MAX_OPCODES} steps"));
        Ok(())
    }

    fn step(&mut self) -> Result<Next> {
        let opcode = self.input.byte()?;
        match opcode {
            b'.' => return Ok(Next::Stop),
            b'c' | b'i' | 0x82 | 0x83 | 0x84 | 0x93 => self.import(opcode)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(opcode)?,
            b'R' | b'o' | b'b' | 0x81 | 0x92 => self.call(opcode)?,
            b'(' | b'0' | b'1' | b'2' | b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(opcode)?,
            b't' | b'l' | b'd' | 0x91 | b')' | 0x85..=0x87 => self.gather(opcode)?,
            _ => self.literal(opcode)?,
        }
        Ok(Next::Opcode)
    }

    /// `GLOBAL`, `INST`, `STACK_GLOBAL`, and the numbered ones of `copyreg`.
    fn import(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (module, name) {
                    (Value::Text(module), Value::Text(name)) => self.found(&module, &name),
                    _ => {
                        self.imports.hide();
                        Value::Other
                    }
                }
            }
            b'c' | b'i' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                let value = self.found(&module, &name);
                if opcode == b'i' {
                    let args = Value::tuple(&self.take_marked()?);
                    self.result(&value, &args)
                } else {
                    value
                }
            }
            _ => {
                self.input.skip(1 << (opcode - 0x82))?;
                self.imports.hide();
                Value::Other
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn found(&mut self, module: &str, name: &str) -> Value {
        // Python 3 translates this name of Python 2 while loading.
        let module = if module == "__builtin__" { "builtins" } else { module };
        self.imports.add(module, name);
        Value::Global(Rc::new((module.to_owned(), name.to_owned())))
    }

    /// The memo: values that are used again.
    fn remember(&mut self, opcode: u8) -> Result<()> {
        let index = match opcode {
            0x94 => None,
            b'q' | b'h' => Some(u64::from(self.input.byte()?)),
            b'r' | b'j' => Some(self.input.number(4)?),
            _ => {
                let line = self.input.line()?;
                Some(line.parse().map_err(|_| self.corrupt(&format!("`{line}` is no number")))?)
            }
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let value = index.and_then(|index| self.memo.known.get(&index).cloned());
            self.stack.push(value.unwrap_or(Value::Other));
            return Ok(());
        }
        let value = self.top()?.clone();
        if self.memo.put(index, value) == Order::Lost {
            self.imports.hide();
        }
        Ok(())
    }

    /// What makes objects: functions called, instances made and filled.
    fn call(&mut self, opcode: u8) -> Result<()> {
        let made = match opcode {
            b'o' => {
                let mut args = self.take_marked()?;
                if args.is_empty() {
                    return Err(self.corrupt("it makes an object of no class"));
                }
                let class = args.remove(0);
                self.result(&class, &Value::tuple(&args))
            }
            b'b' => return self.build(),
            0x92 => {
                self.pop()?;
                self.called()?
            }
            _ => self.called()?,
        };
        self.stack.push(made);
        Ok(())
    }

    fn called(&mut self) -> Result<Value> {
        let (args, function) = (self.pop()?, self.pop()?);
        Ok(self.result(&function, &args))
    }

    fn result(&mut self, function: &Value, args: &Value) -> Value {
        if let Value::Global(global) = function
            && **global == ("builtins".to_owned(), "getattr".to_owned())
        {
            match args.item(1) {
                Some(Value::Text(name)) => self.imports.reach(name),
                _ => self.imports.hide(),
            }
        }
        Value::called(function, args)
    }

    /// `BUILD` gives an object its state; in joblib's files an array may follow.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let is_array = matches!(self.top()?, Value::Array);
        if !is_array || self.dialect == Dialect::Pickle {
            return Ok(());
        }
        self.imports.has_raw_arrays = true;
        let content = match &state {
            Value::State(state) => state.content().map(|content| (content, state.is_aligned)),
            _ => None,
        };
        let Some((content, is_aligned)) = content else {
            return Err(self.corrupt("an array is described in a form that joblib does not write"));
        };
        match content {
            ArrayContent::Pickle => {
                let (input, imports) = (&mut *self.input, &mut *self.imports);
                Machine::new(input, imports, self.texts_left, Dialect::Pickle).run()?;
            }
            ArrayContent::Bytes(bytes) => {
                if is_aligned {
                    let padding = self.input.byte()?;
                    self.input.skip(u64::from(padding))?;
                }
                self.input.skip(bytes)?;
            }
        }
        *self.top()? = Value::Other;
        Ok(())
    }

    /// What moves values about, or puts them into the container below.
    fn fill(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            b'0' | b'a' => {
                self.pop()?;
            }
            b'2' => {
                let value = self.top()?.clone();
                self.stack.push(value);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                if let Value::State(state) = self.top()? {
                    state.set(&key, &value);
                }
            }
            b'u' => {
                let items = self.take_marked()?;
                if let Value::State(state) = self.top()? {
                    for pair in items.chunks_exact(2) {
                        state.set(&pair[0], &pair[1]);
                    }
                }
            }
            _ => {
                self.take_marked()?;
            }
        }
        Ok(())
    }

    /// What makes a container of values on the stack.
    fn gather(&mut self, opcode: u8) -> Result<()> {
        let made = match opcode {
            b')' => Value::tuple(&[]),
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().saturating_sub(count);
                if from < self.marks.last().copied().unwrap_or(0) || self.stack.len() < count {
                    return Err(self.corrupt("it takes a value that is not there"));
                }
                Value::tuple(&self.stack.split_off(from))
            }
            b't' => Value::tuple(&self.take_marked()?),
            _ => {
                self.take_marked()?;
                Value::Other
            }
        };
        self.stack.push(made);
        Ok(())
    }

    /// Numbers, texts, bytes, empty containers, and what has no value at all.
    fn literal(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            0x80 => return self.input.skip(1),
            0x95 => return self.input.skip(8),
            0x98 => return Ok(()),
            b'N' | b']' | 0x88 | 0x89 | 0x8f | 0x97 => Value::Other,
            b'}' => Value::State(Box::default()),
            b'Q' => {
                self.pop()?;
                Value::Other
            }
            b'F' | b'L' | b'P' => {
                self.input.line()?;
                Value::Other
            }
            b'I' => self.input.line()?.parse().map_or(Value::Other, Value::Int),
            b'G' => self.sized_bytes(8)?,
            b'K' => Value::Int(i64::from(self.input.byte()?)),
            b'M' => self.input.number(2).map(int)?,
            b'J' => {
                let bits = self.input.number(4)?;
                Value::Int(i64::from(u32::try_from(bits).expect("four bytes").cast_signed()))
            }
            0x8a => self.counted_int()?,
            b'S' | b'V' => {
                let line = self.input.line()?;
                self.written_text(&line)
            }
            b'U' | 0x8c => self.counted_text(1)?,
            b'T' | b'X' => self.counted_text(4)?,
            0x8d => self.counted_text(8)?,
            b'C' => self.counted_bytes(1)?,
            b'B' | 0x8b => self.counted_bytes(4)?,
            0x8e | 0x96 => self.counted_bytes(8)?,
            _ => return Err(self.corrupt(&format!("0x{opcode:02x} is no opcode"))),
        };
        self.stack.push(value);
        Ok(())
    }

    /// A line of protocol 0: quoted or not. What holds escapes is not followed.
    fn written_text(&mut self, line: &str) -> Value {
        let bare = ['\'', '"']
            .iter()
            .find_map(|quote| line.strip_prefix(*quote).and_then(|line| line.strip_suffix(*quote)));
        let text = bare.unwrap_or(line);
        if text.contains('\\') { Value::Other } else { self.text(text.as_bytes()) }
    }

    fn counted_text(&mut self, width: usize) -> Result<Value> {
        let length = self.input.number(width)?;
        if length > MAX_TEXT {
            return self.sized_bytes(length);
        }
        let bytes = self.input.bytes(length)?;
        Ok(self.text(&bytes))
    }

    fn text(&mut self, bytes: &[u8]) -> Value {
        let length = bytes.len() as u64;
        match std::str::from_utf8(bytes) {
            Ok(text) if length <= MAX_TEXT.min(*self.texts_left) => {
                *self.texts_left -= length;
                Value::Text(text.into())
            }
            _ => Value::Other,
        }
    }

    fn counted_int(&mut self) -> Result<Value> {
        let length = self.input.byte()?;
        if length > 8 {
            return self.sized_bytes(u64::from(length));
        }
        self.input.number(usize::from(length)).map(int)
    }

    fn counted_bytes(&mut self, width: usize) -> Result<Value> {
        let length = self.input.number(width)?;
        self.sized_bytes(length)
    }

    fn sized_bytes(&mut self, length: u64) -> Result<Value> {
        self.input.skip(length)?;
        Ok(Value::Other)
    }

    fn pop(&mut self) -> Result<Value> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err(self.corrupt("it takes a value that is not there"));
        }
        self.stack.pop().ok_or_else(|| self.corrupt("it takes a value that is not there"))
    }

    fn top(&mut self) -> Result<&mut Value> {
        let at = self.input.at;
        self.stack.last_mut().ok_or_else(|| corrupt_at(at, "it takes a value that is not there"))
    }

    fn take_marked(&mut self) -> Result<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.corrupt("it closes a list that was not opened")),
        }
    }

    fn corrupt(&self, why: &str) -> ReadError {
        corrupt_at(self.input.at, why)
    }
}

fn corrupt_at(at: u64, why: &str) -> ReadError {
    ReadError::corrupt(format!("at byte {at} of the pickle: {why}"))
}

fn int(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Other, Value::Int)
}

/// Values that may be used again, by number; only those of which something is known.
#[derive(Debug, Default)]
struct Memo {
    known: HashMap<u64, Value>,
    /// How many numbers were given.
    count: u64,
    /// Whether a number was left out: then the next free number is not what [`Memo::count`] says.
    has_gaps: bool,
}

/// Whether it is still known which number the next value gets.
#[derive(PartialEq, Eq)]
enum Order {
    Kept,
    /// Numbers were mixed in a way that no pickler writes: names may be mistaken from here on.
    Lost,
}

impl Memo {
    /// Remembers a value under a number; `None` is the next free one.
    fn put(&mut self, index: Option<u64>, value: Value) -> Order {
        let order = if index.is_none() && self.has_gaps { Order::Lost } else { Order::Kept };
        let index = index.unwrap_or(self.count);
        self.has_gaps |= index > self.count;
        if index >= self.count {
            self.count += 1;
        }
        // A state still being filled is seen through the stack; the memo would only hold an old copy.
        if value.is_known() && !matches!(value, Value::State(_)) {
            self.known.insert(index, value);
        } else {
            self.known.remove(&index);
        }
        order
    }
}

/// The bytes, with their place.
struct Input<'a> {
    inner: &'a mut dyn BufRead,
    at: u64,
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte).map_err(|error| unreadable(&error))?;
        self.at += 1;
        Ok(byte[0])
    }

    /// A little-endian number of at most eight bytes.
    fn number(&mut self, width: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        self.inner.read_exact(&mut bytes[..width]).map_err(|error| unreadable(&error))?;
        self.at += width as u64;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next bytes; callers have limited the length.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut *self.inner).take(length).read_to_end(&mut bytes);
        if read.map_err(|error| unreadable(&error))? as u64 != length {
            return Err(ReadError::corrupt("it ends in the middle"));
        }
        self.at += length;
        Ok(bytes)
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut *self.inner).take(length), &mut io::sink());
        if skipped.map_err(|error| unreadable(&error))? != length {
            return Err(ReadError::corrupt("it ends in the middle"));
        }
        self.at += length;
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let read = (&mut *self.inner).take(MAX_LINE).read_until(b'\n', &mut bytes);
        self.at += read.map_err(|error| unreadable(&error))? as u64;
        if bytes.pop() != Some(b'\n') {
            return Err(corrupt_at(self.at, "a line does not end"));
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned())
    }
}
