//! Readers of one statement that can share answers.
//!
//! A list that is read whole has all that another reader wants of it. That one then tells the API nothing of its conditions:
//! a narrower list would be further calls.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;

use super::exec::CallExec;
use crate::call::SharedAnswers;

/// The plan of a statement with its readers made alike where that saves calls, and counted.
pub(super) fn sharing(plan: Arc<dyn ExecutionPlan>, shared: &SharedAnswers) -> Result<Arc<dyn ExecutionPlan>> {
    let alike =
        if plan.exists(|node| Ok(scan(node).is_some_and(CallExec::tells_filter)))? { made_alike(plan)? } else { plan };
    expect_readers(&alike, 1, shared);
    Ok(alike)
}

fn scan(node: &Arc<dyn ExecutionPlan>) -> Option<&CallExec> {
    node.downcast_ref()
}

fn made_alike(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut lists = HashSet::new();
    plan.apply(|node| {
        lists.extend(scan(node).map(CallExec::whole_lists).unwrap_or_default());
        Ok(TreeNodeRecursion::Continue)
    })?;
    let alike = plan.transform_up(|node| {
        let alike = scan(&node).and_then(|scan| scan.untold(|list| lists.contains(list)));
        Ok(match alike {
            Some(scan) => Transformed::yes(Arc::new(scan) as Arc<dyn ExecutionPlan>),
            None => Transformed::no(node),
        })
    })?;
    Ok(alike.data)
}

/// Counts the operators that call the same method: what they ask alike is asked once.
fn expect_readers(plan: &Arc<dyn ExecutionPlan>, times: u32, shared: &SharedAnswers) {
    for spec in scan(plan).into_iter().flat_map(CallExec::specs) {
        shared.expect(&spec.table.id(), &spec.binding.method.name, times);
    }
    // The step of a recursive query runs any number of times.
    let times = if plan.name() == "RecursiveQueryExec" { u32::MAX } else { times };
    for child in plan.children() {
        expect_readers(child, times, shared);
    }
}
