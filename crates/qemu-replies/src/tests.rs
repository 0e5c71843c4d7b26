//! Made-up answers.

use crate::migration::Parameters;
use crate::{jobs, processor, vcpus};
use serde_json::json;
use xml::{Document, Writer};

#[test]
fn processors_by_place() {
    let places = json!([
        {"props": {"core-id": 8}, "vcpus-count": 2, "type": "t"},
        {"props": {"core-id": 4}, "vcpus-count": 2, "qom-path": "/machine/peripheral/vcpu1", "type": "t"},
        {"props": {"core-id": 0}, "vcpus-count": 2, "qom-path": "/machine/unattached/device[1]", "type": "t"},
    ]);
    let cpus = json!([
        {"cpu-index": 0, "qom-path": "/machine/unattached/device[1]/thread[0]", "thread-id": 10},
        {"cpu-index": 2, "qom-path": "/machine/peripheral/vcpu1/thread[0]", "thread-id": 12},
        {"cpu-index": 3, "qom-path": "/machine/peripheral/vcpu1/thread[1]", "thread-id": 13},
        {"cpu-index": 9, "qom-path": "/machine/peripheral/vcpu10/thread[0]", "thread-id": 19},
    ]);
    let found = vcpus::vcpus(Some(&places), &cpus, 6).unwrap();
    let short: Vec<_> = found.iter().map(|vcpu| (vcpu.online, vcpu.hotpluggable, vcpu.thread)).collect();
    assert_eq!(
        short,
        [
            (true, false, Some(10)),
            (false, false, None),
            (true, true, Some(12)),
            (true, true, Some(13)),
            (false, true, None),
            (false, true, None),
        ]
    );
    let second = found[2].place.as_ref().unwrap();
    assert_eq!(
        (second.order, second.alias.as_deref(), second.topology.core),
        (Some(2), Some("vcpu1"), Some(4))
    );
    assert!(found[3].place.is_none());
    assert!(vcpus::vcpus(Some(&places), &cpus, 5).is_err());
    assert_eq!(vcpus::vcpus(None, &cpus, 2).unwrap().len(), 2);
    assert!(vcpus::vcpus(None, &json!({}), 2).is_err());
}

#[test]
fn words_of_a_processor() {
    let words = json!([
        {"cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 5},
        {"cpuid-register": "ECX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 6},
        {"cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 0},
    ]);
    let mut writer = Writer::new();
    processor::feature_words(&words).unwrap().write(&mut writer);
    let text = writer.finish();
    assert_eq!(text.matches("<cpuid").count(), 1, "{text}");
    assert!(
        text.contains("eax_in='0x00000007' ecx_in='0x00000000' eax='0x00000000' ebx='0x00000005'"),
        "{text}"
    );
    let strange = json!([{"cpuid-register": "EIP", "cpuid-input-eax": 1, "features": 0}]);
    assert!(processor::feature_words(&strange).is_err());
}

#[test]
fn jobs_with_errors() {
    let found = jobs::jobs(&json!([
        {"id": "a", "type": "commit", "status": "running", "current-progress": 1, "total-progress": 2},
        {"id": "b", "type": "create", "status": "concluded", "error": "no room"},
    ]))
    .unwrap();
    assert_eq!((found[0].current, found[0].total, found[1].error.as_deref()), (1, 2, Some("no room")));
    assert!(jobs::jobs(&json!([{"id": "a"}])).is_err());
}

#[test]
fn parameters_there_and_back() {
    let reply = json!({"multifd-channels": 4, "unknown": 1, "block-incremental": true, "tls-creds": "a'b",
        "compress-level": 4_294_967_296_u64, "max-bandwidth": 9_999_999_999_u64});
    let found = Parameters::read(&reply);
    assert_eq!(
        found.json().to_string(),
        r#"{"tls-creds":"a'b","max-bandwidth":9999999999,"block-incremental":true,"multifd-channels":4}"#
    );
    let mut writer = Writer::new();
    found.write(&mut writer);
    let text = writer.finish();
    let document = Document::parse(&text).unwrap();
    assert_eq!(Parameters::from_xml(document.root()).unwrap(), found);
    let wrong = Document::parse("<migParams><param name='max-bandwidth' value='-1'/></migParams>").unwrap();
    assert!(Parameters::from_xml(wrong.root()).is_err());
}
