//! Documents → Provider ▸ Service ▸ Resource ▸ Method.
//!
//! *Owns*: reading provider documents (the public registry's format and ours), `$ref`, inference where a document is
//! silent, the index of what there is, the digest types, when a kept digest is good, and the [`Call`].
//! *Does not own*: sending calls, choosing methods, SQL.
//! *Invariants*: reading is lenient, acting is strict; a statement parses only the services it names; a broken
//! service breaks only itself; nothing above sees YAML.

mod auth;
mod call;
mod digests;
mod document;
mod idempotency;
mod item_path;
mod kept;
mod keys;
mod load;
mod model;
mod pagination;
mod paging_inference;
mod parameters;
mod pushdown;
mod registry;
mod response;
mod schema;
mod secrets;
mod source;
mod upload;
mod url_template;
mod waiting;
mod yaml;

pub use call::{Call, LocalFile};
pub use digests::DigestStore;
pub use idempotency::IdempotencyKey;
pub use model::*;
pub use pushdown::{
    Direction, FilterDialect, FilterPushdown, NullOrder, OrderForm, OrderPushdown, ProjectionPushdown, Pushdown,
    TopPushdown,
};
pub use registry::Registry;
pub use secrets::{MASK, WHOLE_BODY, keeps_secret, masked, secret_texts, secrets_of, tells_secret_field};
pub use source::{DirectorySource, DocumentSource, EmbeddedSource, MemorySource};
pub use upload::UploadStep;
pub use waiting::{Gone, Poll, ValueFrom, Waiting};

// For `import`, which makes such documents of others.
pub(crate) use document::{Document, Node};
pub(crate) use item_path::{join as join_path, steps as path_steps};
pub(crate) use keys::{infer_nested_keys, is_called_after_parent, is_search_word};
pub(crate) use response::{choose_media, choose_response, essence, has_fields, is_envelope_word, is_json};
pub(crate) use schema::{Schema, Schemas};
