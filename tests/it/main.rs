//! The one integration-test binary.

mod architecture;
mod bad_input;
mod cli;
mod embedding;
mod sandboxes;
mod sql_logic;
mod support;
