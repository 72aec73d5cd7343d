//! Lists, structs, maps and unions as JSON; dictionaries and runs as the values they stand for.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray, OffsetSizeTrait,
    StructArray, UnionArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowNativeType, DataType, Field, Fields, Int16Type, Int32Type, Int64Type, UInt64Type, UnionFields,
};

use crate::error::{Error, ErrorKind, Result};
use crate::output::cell::{self, Reader, Shape, some};
use crate::output::json;

/// The reader of a column whose values hold other values.
pub(super) fn reader(field: &Field, array: &ArrayRef) -> Result<Reader> {
    match array.data_type() {
        DataType::List(item) => list(array.as_list::<i32>(), item),
        DataType::LargeList(item) => list(array.as_list::<i64>(), item),
        DataType::ListView(item) => list_view(array.as_list_view::<i32>(), item),
        DataType::LargeListView(item) => list_view(array.as_list_view::<i64>(), item),
        DataType::FixedSizeList(item, _) => fixed_size_list(array.as_fixed_size_list(), item),
        DataType::Struct(fields) => object(array.as_struct(), fields),
        DataType::Map(entries, _) => map(array.as_map(), entries),
        DataType::Union(fields, _) => union(array.as_union(), fields),
        DataType::Dictionary(..) => dictionary(field, array),
        DataType::RunEndEncoded(..) => runs(field, array),
        other => Err(Error::new(ErrorKind::Unsupported, format!("values of type `{other}` cannot be written"))),
    }
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>, item: &Field) -> Result<Reader> {
    let offsets = array.offsets().clone();
    items(array.clone(), item, array.values(), move |row| offsets[row].as_usize()..offsets[row + 1].as_usize())
}

fn list_view<O: OffsetSizeTrait>(array: &GenericListViewArray<O>, item: &Field) -> Result<Reader> {
    let (offsets, sizes) = (array.offsets().clone(), array.sizes().clone());
    items(array.clone(), item, array.values(), move |row| {
        let start = offsets[row].as_usize();
        start..start + sizes[row].as_usize()
    })
}

fn fixed_size_list(array: &FixedSizeListArray, item: &Field) -> Result<Reader> {
    let length = usize::try_from(array.value_length()).unwrap_or(0);
    items(array.clone(), item, array.values(), move |row| row * length..(row + 1) * length)
}

fn items(
    array: impl Array + 'static,
    item: &Field,
    values: &ArrayRef,
    range: impl Fn(usize) -> Range<usize> + 'static,
) -> Result<Reader> {
    let read = cell::reader(item, values)?;
    Ok(some(array, move |row, out| {
        out.push('[');
        for (index, at) in range(row).enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::value(&read, at, out);
        }
        out.push(']');
        Shape::Json
    }))
}

fn object(array: &StructArray, fields: &Fields) -> Result<Reader> {
    let names = json::keys(fields.iter().map(|field| field.name().as_str()));
    let readers = fields
        .iter()
        .zip(array.columns())
        .map(|(field, column)| cell::reader(field, column))
        .collect::<Result<Vec<_>>>()?;
    Ok(some(array.clone(), move |row, out| {
        json::object(&names, &readers, row, out);
        Shape::Json
    }))
}

/// JSON's keys are text: a key of another type is its text.
fn map(array: &MapArray, entries: &Field) -> Result<Reader> {
    let DataType::Struct(pair) = entries.data_type() else {
        return Err(Error::new(ErrorKind::Internal, "a map has entries that are not pairs"));
    };
    let [key_field, value_field] = &pair[..] else {
        return Err(Error::new(ErrorKind::Internal, "a map has entries that are not pairs"));
    };
    let (keys, values) = (cell::reader(key_field, array.keys())?, cell::reader(value_field, array.values())?);
    let offsets = array.offsets().clone();
    Ok(some(array.clone(), move |row, out| {
        out.push('{');
        let range = offsets[row].as_usize()..offsets[row + 1].as_usize();
        for (index, at) in range.enumerate() {
            if index > 0 {
                out.push(',');
            }
            let mut key = String::new();
            keys(at, &mut key);
            json::quote(&key, out);
            out.push(':');
            json::value(&values, at, out);
        }
        out.push('}');
        Shape::Json
    }))
}

fn union(array: &UnionArray, fields: &UnionFields) -> Result<Reader> {
    let mut readers = Vec::new();
    for (type_id, field) in fields.iter() {
        readers.push((type_id, cell::reader(field, array.child(type_id))?));
    }
    let array = array.clone();
    Ok(Box::new(move |row, out| {
        let type_id = array.type_id(row);
        let child = readers.iter().find(|(known, _)| *known == type_id);
        child.map_or(Shape::Null, |(_, read)| read(array.value_offset(row), out))
    }))
}

/// The field says whether the text is JSON; the values are what is read.
fn dictionary(field: &Field, array: &ArrayRef) -> Result<Reader> {
    let dictionary = array.as_any_dictionary();
    let read = cell::reader(field, dictionary.values())?;
    let keys = cast(dictionary.keys(), &DataType::UInt64).map_err(|error| {
        Error::new(ErrorKind::Internal, "the keys of a dictionary cannot be read").with("reason", error.to_string())
    })?;
    let keys = keys.as_primitive::<UInt64Type>().clone();
    Ok(some(keys.clone(), move |row, out| {
        // A key is an index into an array in memory, hence it fits.
        usize::try_from(keys.value(row)).map_or(Shape::Null, |at| read(at, out))
    }))
}

fn runs(field: &Field, array: &ArrayRef) -> Result<Reader> {
    macro_rules! runs_of {
        ($ends:ty) => {
            array.as_run_opt::<$ends>().map(|runs| {
                let runs = runs.clone();
                cell::reader(field, runs.values()).map(|read| {
                    let reader: Reader = Box::new(move |row, out| read(runs.get_physical_index(row), out));
                    reader
                })
            })
        };
    }
    runs_of!(Int16Type)
        .or_else(|| runs_of!(Int32Type))
        .or_else(|| runs_of!(Int64Type))
        .unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "an array of runs has no run ends")))
}
