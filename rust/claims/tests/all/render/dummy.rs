//! A claim that is one specification more appears in every output.

use claims::claims::SPECS;
use claims::evaluation::{
    Context, Evaluation, FigureSpec, Outcome, Quote, Request, Rests, Shows, Spec, provenance,
};
use claims::image_under_test::ImageUnderTest;
use claims::report::{Assessment, Claim, Evidence, Verdict};

use super::outputs;

static DUMMY: Spec = Spec {
    id: "dummy-claim",
    statement: "a dummy is a claim like any other",
    talk: Quote {
        quote: "so it is said",
        assessment: Assessment::AsSaid,
        because: None,
    },
    shows: Shows::Exhibits(|exhibit| exhibit.name == "say"),
    figures: &[&[FigureSpec {
        name: "dummies",
        unit: "dummies",
        counts: "dummies that were counted",
    }]],
    check,
    ..Spec::DEFAULT
};

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&DUMMY);
    evaluation.add("dummies", 17);
    evaluation.finish(Outcome {
        verdict: Verdict::Holds,
        rests: Rests::OnImage,
        found: "17 dummies".to_owned(),
        conditions: Vec::new(),
        evidence: Evidence::Live,
        provenance: provenance(&context.image),
    })
}

#[test]
fn a_claim_more_appears_in_every_output() {
    let context = Context {
        image: ImageUnderTest::current().expect("the test's own image"),
        request: Request::default(),
    };
    let mut decided = Vec::new();
    let specs = [SPECS[0], &DUMMY];
    let report = claims::judge(&context, &specs, |claim| decided.push(claim.id.clone()));
    assert_eq!(decided, [SPECS[0].id, DUMMY.id]);
    for (name, text) in outputs(&report) {
        // The picture is of the walks, and the dummy has none.
        let is_picture = name.ends_with(".svg");
        assert_eq!(text.contains(DUMMY.id), !is_picture, "{name}: {text}");
        let table = ["table", "docs/ladder.svg"].contains(&name);
        assert_eq!(text.contains("so it is said"), !table, "{name}: {text}");
    }
    let json = serde_json::to_value(report.only(DUMMY.id)).expect("JSON");
    assert_eq!(json["claims"][0]["figures"]["dummies"]["value"], 17);
    assert_eq!(json["claims"][0]["shows"][0], "say");
    assert_eq!(json["code"].as_array().map(Vec::len), Some(1));
}
