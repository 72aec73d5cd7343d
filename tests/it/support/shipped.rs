//! The shipped providers over a server of the test's own.

use skyql::engine::EngineBuilder;
use skyql::{Engine, Env};

use super::query::Db;
use super::server::Server;

/// An engine of the shipped providers, all of them on `server`, with credentials, that may write to it.
pub(crate) fn builder(server: &Server) -> EngineBuilder {
    let env = Env::empty()
        .with("DIGITALOCEAN_TOKEN", "do-token")
        .with("LINODE_TOKEN", "linode-token")
        .with("LUNANODE_API_ID", "a-public-id")
        .with("LUNANODE_API_KEY", "k".repeat(128));
    ["digitalocean", "linode", "lunanode"]
        .iter()
        .fold(Engine::builder().env(env), |builder, provider| builder.base_url(provider, &server.url()))
}

/// The same without a journal, for writes that nobody is asked about.
pub(crate) fn db(server: &Server) -> Db {
    Db::of(builder(server).no_journal()).set("confirm", "never")
}
