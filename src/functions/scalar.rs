//! What scalar functions are made of: a name, how many arguments, a type, and a Rust function over whole columns.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::column::{Column, json_field};
use super::described::usage;

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    /// Text that is JSON, and says so to those who read it.
    Json,
    Integer,
    Float,
    Boolean,
}

/// A rewrite of the call before it runs.
pub(super) type Rewrite = fn(Vec<Expr>, &SimplifyContext) -> Result<ExprSimplifyResult>;

/// A scalar function of any arguments.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) name: &'static str,
    pub(super) arity: RangeInclusive<usize>,
    pub(super) output: fn(usize) -> Output,
    pub(super) run: fn(&Arguments) -> Result<ArrayRef>,
    pub(super) rewrite: Option<Rewrite>,
    signature: Signature,
}

/// The arguments of one call: columns of equal length.
pub(super) struct Arguments {
    pub(super) columns: Vec<Column>,
    pub(super) fields: Vec<FieldRef>,
    pub(super) rows: usize,
}

impl Scalar {
    pub(super) fn new(
        name: &'static str,
        arity: RangeInclusive<usize>,
        output: fn(usize) -> Output,
        run: fn(&Arguments) -> Result<ArrayRef>,
    ) -> Self {
        Self { name, arity, output, run, rewrite: None, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn with_rewrite(mut self, rewrite: Rewrite) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }
}

/// A function is its name.
impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Any types will do; how many is checked where the message comes through as it is.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.output)(types.len()) {
            Output::Text | Output::Json => DataType::Utf8,
            Output::Integer => DataType::Int64,
            Output::Float => DataType::Float64,
            Output::Boolean => DataType::Boolean,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let count = args.arg_fields.len();
        if !self.arity.contains(&count) {
            return plan_err!("`{}` is called as `{}`", self.name, usage(self.name));
        }
        if (self.output)(count) == Output::Json {
            return Ok(Arc::new(json_field(self.name)));
        }
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name, self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.iter().zip(&args.arg_fields).map(|(value, field)| {
            let array = value.to_array(rows)?;
            Column::new(&array, field)
        });
        let arguments = Arguments { columns: columns.collect::<Result<_>>()?, fields: args.arg_fields, rows };
        (self.run)(&arguments).map(ColumnarValue::Array)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.rewrite {
            Some(rewrite) => rewrite(args, info),
            None => Ok(ExprSimplifyResult::Original(args)),
        }
    }
}

/// A column of texts, one row at a time.
pub(super) fn texts(rows: usize, mut value: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut built = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        built.append_option(value(row)?);
    }
    Ok(Arc::new(built.finish()))
}

/// A column of whole numbers, one row at a time.
pub(super) fn integers(rows: usize, mut value: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
    let mut built = Int64Builder::with_capacity(rows);
    for row in 0..rows {
        built.append_option(value(row)?);
    }
    Ok(Arc::new(built.finish()))
}

/// A column of numbers, one row at a time.
pub(super) fn floats(rows: usize, mut value: impl FnMut(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
    let mut built = Float64Builder::with_capacity(rows);
    for row in 0..rows {
        built.append_option(value(row)?);
    }
    Ok(Arc::new(built.finish()))
}

/// A column of truths, one row at a time.
pub(super) fn booleans(rows: usize, mut value: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
    let mut built = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        built.append_option(value(row)?);
    }
    Ok(Arc::new(built.finish()))
}
