//! A stored plan → one that can be sent again.

use std::sync::Arc;

use super::plan::{PlanContext, Planned, check_allowed};
use crate::call::destination;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Verb;
use crate::store::{Target, WritePlan};

/// Finds the method of a stored plan again, and refuses when its calls would go elsewhere than was shown, or with
/// another credential.
///
/// # Errors
/// `InvalidArgument` when origin or credential differ; `NameNotFound` when the documents no longer have the method.
pub async fn restore(context: &PlanContext<'_>, stored: WritePlan) -> Result<Planned> {
    let verb = [Verb::Insert, Verb::Update, Verb::Replace, Verb::Delete, Verb::Exec]
        .into_iter()
        .find(|verb| verb.name() == stored.verb)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("the plan is for `{}`", stored.verb)))?;
    let Some(first) = stored.calls.first().map(|call| call.call.clone()) else {
        return Err(Error::new(ErrorKind::InvalidArgument, "the plan holds no call"));
    };
    if stored.calls.iter().any(|call| call.call.method != first.method || call.call.resource != first.resource) {
        return Err(Error::new(ErrorKind::Unsupported, "the plan calls more than one method"));
    }
    let registry = Arc::clone(&context.registry);
    let name = first.clone();
    let (resource, restricted) = tokio::task::spawn_blocking(move || {
        let resource = registry.resource(&name.provider, &name.service, &name.resource)?;
        Ok::<_, Error>((resource, registry.is_shadowing(&name.provider)))
    })
    .await
    .map_err(|error| Error::new(ErrorKind::Internal, "reading documents ended unexpectedly").caused_by(error))??;
    let Some(method) = resource.methods.get(&first.method).map(Arc::clone) else {
        return Err(Error::new(
            ErrorKind::NameNotFound,
            format!("`{}` has no method `{}` any more", stored.table, first.method),
        )
        .hint("the provider's document has changed since; make a new plan"));
    };
    for step in &stored.calls {
        let goes = destination(context.endpoints, &method, &step.call, restricted.as_deref())?;
        let target = Target { provider: step.call.provider.clone(), origin: goes.origin, credential: goes.credential };
        if stored.targets.contains(&target) {
            continue;
        }
        let same_place = stored.targets.iter().find(|known| known.origin == target.origin);
        return Err(match same_place {
            Some(_) => Error::new(ErrorKind::InvalidArgument, "the plan was made with another credential"),
            None => Error::new(ErrorKind::InvalidArgument, "the plan was made for another origin")
                .with("planned", stored.targets.iter().map(|t| t.origin.clone()).collect::<Vec<_>>().join(", "))
                .with("now", target.origin),
        }
        .hint("nothing was sent; make a new plan"));
    }
    let planned = Planned { verb, plan: stored, method, resource, returning: None, restricted };
    check_allowed(context, &planned)?;
    Ok(planned)
}
