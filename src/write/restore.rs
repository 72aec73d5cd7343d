//! A stored plan → one that can be sent again.

use std::sync::Arc;

use super::plan::{Part, PlanContext, Planned, check_allowed, request_digest, request_line};
use super::wait::Wait;
use crate::call::{ShownRequest, destination, show_request};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::provider::Effect;
use crate::sql::{Verb, parse_items};
use crate::store::{DigestKey, PlanPart, PlannedCall, Target, WritePlan};
use crate::threads::off_thread;

/// Finds the methods of a stored plan again (`key` is that of its state directory), and refuses when its calls would go elsewhere than was shown, or with
/// another credential, or would be other requests.
///
/// # Errors
/// `InvalidArgument` when origin, credential or a request differ; `NameNotFound` when the documents no longer have a method.
pub async fn restore(context: &PlanContext<'_>, stored: WritePlan, key: &DigestKey) -> Result<Planned> {
    let damaged = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("the plan cannot be used: {why}"));
    let mut parts = Vec::with_capacity(stored.parts.len());
    let mut rest = stored.calls.as_slice();
    for part in &stored.parts {
        let (calls, after) = rest.split_at_checked(part.calls).ok_or_else(|| damaged("calls are missing"))?;
        rest = after;
        parts.push(restore_part(context, &stored, key, part, calls).await?);
    }
    if parts.is_empty() || !rest.is_empty() {
        return Err(damaged("its calls belong to no statement"));
    }
    let planned = Planned { plan: stored, parts };
    check_allowed(context, &planned)?;
    Ok(planned)
}

async fn restore_part(
    context: &PlanContext<'_>,
    plan: &WritePlan,
    key: &DigestKey,
    part: &PlanPart,
    calls: &[PlannedCall],
) -> Result<Part> {
    let verb = [Verb::Insert, Verb::Update, Verb::Replace, Verb::Delete, Verb::Exec]
        .into_iter()
        .find(|verb| verb.name() == part.verb)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("the plan is for `{}`", part.verb)))?;
    let Some(first) = calls.first().map(|call| call.call.clone()) else {
        return Err(Error::new(ErrorKind::InvalidArgument, "the plan holds a statement without a call"));
    };
    if calls.iter().any(|call| call.call.method != first.method || call.call.resource != first.resource) {
        return Err(Error::new(ErrorKind::Unsupported, "a statement of the plan calls more than one method"));
    }
    let registry = Arc::clone(&context.registry);
    let name = first.clone();
    let (resource, restricted) = off_thread("reading documents", move || {
        let resource = registry.resource(&name.provider, &name.service, &name.resource)?;
        Ok::<_, Error>((resource, registry.is_shadowing(&name.provider)))
    })
    .await??;
    let Some(method) = resource.methods.get(&first.method).map(Arc::clone) else {
        return Err(Error::new(
            ErrorKind::NameNotFound,
            format!("`{}` has no method `{}` any more", resource.name, first.method),
        )
        .hint("the provider's document has changed since; make a new plan"));
    };
    for step in calls {
        let goes = destination(context.endpoints, &method, &step.call, restricted.as_deref())?;
        let target = Target { provider: step.call.provider.clone(), origin: goes.origin, credential: goes.credential };
        if plan.targets.iter().any(|known| known.is(&target, key)) {
            let shown = show_request(context.endpoints, &method, &step.call)?;
            check_same(step, method.effect, &shown)?;
            continue;
        }
        let same_place = plan.targets.iter().find(|known| known.origin == target.origin);
        return Err(match same_place {
            Some(known) if known.is_of_old_version() => Error::new(
                ErrorKind::InvalidArgument,
                "the plan was made by an older version, which noted its credential in another way",
            ),
            Some(_) => Error::new(ErrorKind::InvalidArgument, "the plan was made with another credential"),
            None => Error::new(ErrorKind::InvalidArgument, "the plan was made for another origin")
                .with("planned", plan.targets.iter().map(|t| t.origin.clone()).collect::<Vec<_>>().join(", "))
                .with("now", target.origin),
        }
        .hint("nothing was sent; make a new plan"));
    }
    let returning = part.returning.as_deref().map(parse_items).transpose()?;
    let mut restored = Part { verb, method, resource, returning, restricted, wait: None };
    restored.wait = Wait::of(context, &restored, calls.first(), part.awaits).await?.map(Arc::new);
    Ok(restored)
}

/// Refuses files that are not as they were planned, of the calls for which `wanted` says so.
///
/// # Errors
/// `InvalidArgument` for another content, `NameNotFound` for a file that is gone.
pub async fn check_files(planned: &Planned, wanted: impl Fn(usize) -> bool) -> Result<()> {
    for (_, step) in planned.plan.calls.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        for file in &step.call.files {
            files::check_unchanged(file).await?;
        }
    }
    Ok(())
}

/// Refuses a request that is not the one that was planned.
fn check_same(step: &PlannedCall, effect: Effect, shown: &ShownRequest) -> Result<()> {
    let is_same = step.digest == request_digest(shown);
    if is_same && step.effect == effect {
        return Ok(());
    }
    let request = request_line(shown);
    let what = match () {
        () if is_same => format!("a call whose effect is {effect:?}, not {:?}", step.effect).to_lowercase(),
        () if step.request == request => format!("{request}, with other headers or another body"),
        () => request,
    };
    Err(Error::new(ErrorKind::InvalidArgument, "the provider document changed since the plan was made")
        .with("planned", step.request.clone())
        .with("now", what)
        .hint("nothing was sent; make a new plan"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::provider::Call;

    #[test]
    fn a_request_that_is_another_now_is_refused() {
        let shown = |method: &str, url: &str, header: &str, body: &str| ShownRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: vec![("x-filter".to_owned(), header.to_owned())],
            body: body.to_owned(),
            then: None,
        };
        let planned = shown("PUT", "https://a.example/images/7", "a", "{\"label\":\"x\"}");
        let call = Call {
            provider: "a".to_owned(),
            service: "b".to_owned(),
            resource: "c".to_owned(),
            method: "m".to_owned(),
            ..Call::default()
        };
        let step = PlannedCall {
            call,
            effect: Effect::Write,
            request: request_line(&planned),
            digest: request_digest(&planned),
            identity: BTreeMap::new(),
            before: None,
            secrets: Vec::new(),
            idempotency_key: None,
        };
        check_same(&step, Effect::Write, &planned).unwrap();
        for other in [
            shown("POST", "https://a.example/images/7", "a", "{\"label\":\"x\"}"),
            shown("PUT", "https://a.example/volumes/7", "a", "{\"label\":\"x\"}"),
            shown("PUT", "https://a.example/images/7", "b", "{\"label\":\"x\"}"),
            shown("PUT", "https://a.example/images/7", "a", "{\"label\":\"y\"}"),
            shown("PUT", "https://a.example/images/7", "a", ""),
        ] {
            assert!(check_same(&step, Effect::Write, &other).unwrap_err().message().contains("document changed"));
        }
        let error = check_same(&step, Effect::Delete, &planned).unwrap_err();
        assert_eq!(error.context_value("now"), Some("a call whose effect is delete, not write"));
        // A secret that the address holds by chance is masked in the text, not in what is compared.
        let masked = PlannedCall { request: "PUT https://a.example/***/7".to_owned(), ..step };
        check_same(&masked, Effect::Write, &planned).unwrap();
    }
}
