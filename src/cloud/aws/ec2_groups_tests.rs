use super::*;

const OWN: &str = "111122223333";

fn everything() -> BTreeSet<Rule> {
    crate::playbook::containment::pulse::everything()
}

#[test]
fn a_rule_survives_the_way_to_aws_and_back() {
    let peers = [
        Peer::Ipv4("10.0.0.0/8".to_owned()),
        Peer::Ipv6("2001:db8::/32".to_owned()),
        Peer::PrefixList("pl-0123456789abcdef0".to_owned()),
        Peer::Group { id: "sg-0123456789abcdef0".to_owned(), owner: None },
        Peer::Group { id: "sg-0123456789abcdef0".to_owned(), owner: Some("444455556666".to_owned()) },
    ];
    for direction in [Direction::Ingress, Direction::Egress] {
        for peer in &peers {
            for (protocol, from, to) in [("-1", None, None), ("tcp", Some(22), Some(22)), ("icmp", Some(8), Some(-1))] {
                let rule = Rule { direction, protocol: protocol.to_owned(), from, to, peer: peer.clone() };
                assert_eq!(rules(OWN, direction, &permission(&rule)), [rule]);
            }
        }
    }
}

#[test]
fn one_permission_with_many_peers_is_many_rules() {
    let found = IpPermission::builder()
        .ip_protocol("-1")
        .from_port(-1)
        .to_port(-1)
        .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build())
        .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
        .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-0123456789abcdef0").user_id(OWN).build())
        .build();
    let rules = rules(OWN, Direction::Egress, &found);
    assert_eq!(rules.len(), 3);
    assert!(rules.iter().all(|rule| rule.from.is_none() && rule.to.is_none()));
    assert!(rules.iter().any(|rule| matches!(&rule.peer, Peer::Group { owner: None, .. })));
}

#[test]
fn a_peer_that_cannot_be_read_is_a_rule_nevertheless() {
    let found = IpPermission::builder().ip_protocol("tcp").ip_ranges(IpRange::builder().build()).build();
    assert_eq!(rules(OWN, Direction::Ingress, &found).len(), 1);
}

#[test]
fn each_direction_is_a_call_of_its_own_and_an_empty_one_is_none() {
    let (ingress, egress) = split(&everything());
    assert_eq!((ingress.map(|p| p.len()), egress.map(|p| p.len())), (Some(2), Some(2)));
    let only: BTreeSet<Rule> = everything().into_iter().filter(|rule| rule.direction == Direction::Egress).collect();
    assert!(split(&only).0.is_none());
}

#[test]
fn a_lost_reply_weighs_more_than_a_refusal() {
    let error = |class, code: &str| CloudError {
        class,
        operation: "AuthorizeSecurityGroupIngress".to_owned(),
        code: code.to_owned(),
        message: String::new(),
        action: None,
    };
    let lost = || Err(error(ErrorClass::Ambiguous, "NoReply"));
    let refused = || Err(error(ErrorClass::Denied, "UnauthorizedOperation"));
    let there = || Err(error(ErrorClass::Conflict, "InvalidPermission.Duplicate"));
    let accepted = |answer| accepting(answer, "InvalidPermission.Duplicate");
    let class = |answer: Result<Receipt, CloudError>| answer.map_err(|error| error.class).map(|_| ());
    assert_eq!(class(both(lost(), refused())), Err(ErrorClass::Ambiguous));
    assert_eq!(class(both(refused(), lost())), Err(ErrorClass::Ambiguous));
    assert_eq!(class(both(Ok(Receipt::default()), refused())), Err(ErrorClass::Denied));
    assert_eq!(class(both(accepted(there()), accepted(there()))), Ok(()));
    assert_eq!(class(both(accepted(there()), refused())), Err(ErrorClass::Denied));
}
