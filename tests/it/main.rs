//! The one integration-test binary.

mod binding;
mod joins;
mod paging;
mod recorded;
mod registry_documents;
mod report;
mod rows;
mod support;
mod writes;
