//! The one integration-test binary.

mod architecture;
mod bad_input;
mod binding;
mod cli;
mod embedding;
mod files;
mod formats;
mod headings;
mod imports;
mod joins;
mod json_tables;
mod metadata;
mod paging;
mod recorded;
mod registry_documents;
mod report;
mod rows;
mod sandboxes;
mod sql_logic;
mod support;
mod waiting;
mod writes;
