//! The figures, for people and for programs.

use crate::walk::{ClassResult, Count};
use serde_json::{Value, json};

/// One line a class, one a part, then the total; failures first, when asked for.
pub(crate) fn print(results: &[ClassResult], failures: bool) {
    if failures {
        for class in results {
            for (case, part, text) in &class.failures {
                let part = if part.is_empty() { String::new() } else { format!(" [{part}]") };
                println!("--- {}: {case}{part}\n{}", class.name, text.trim_end());
            }
        }
    }
    let mut total = Count::default();
    for class in results {
        println!("{} {}/{}", class.name, class.count.passed, class.count.total);
        for (part, count) in &class.parts {
            println!("{}:{part} {}/{}", class.name, count.passed, count.total);
        }
        total.passed += class.count.passed;
        total.total += class.count.total;
    }
    println!("total {}/{}", total.passed, total.total);
}

/// The same as a document.
pub(crate) fn json(results: &[ClassResult]) -> Value {
    let count = |count: Count| json!({"passed": count.passed, "total": count.total});
    let classes: serde_json::Map<String, Value> = results
        .iter()
        .map(|class| {
            let mut value = count(class.count);
            value["parts"] = class.parts.iter().map(|(part, c)| ((*part).to_owned(), count(*c))).collect();
            value["failures"] = class
                .failures
                .iter()
                .map(|(case, part, text)| json!({"case": case, "part": part, "text": text}))
                .collect();
            (class.name.clone(), value)
        })
        .collect();
    json!({
        "passed": results.iter().map(|c| c.count.passed).sum::<usize>(),
        "total": results.iter().map(|c| c.count.total).sum::<usize>(),
        "classes": classes,
    })
}
