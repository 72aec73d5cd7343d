//! SkyQL.
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod provider;
pub mod report;
pub mod rows;
