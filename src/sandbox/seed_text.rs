//! The words of the seeded workspaces.

pub(super) struct ProjectText {
    pub(super) identifier: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Name and text of its page.
    pub(super) page: (&'static str, &'static str),
    pub(super) timezone: &'static str,
    /// First name, last name, role; the first one created the project.
    pub(super) people: &'static [(&'static str, &'static str, u8)],
    /// Name and colour.
    pub(super) labels: &'static [(&'static str, &'static str)],
    /// Name, days from today to its first one, numbers of its work items.
    pub(super) cycles: &'static [(&'static str, i64, &'static [u64])],
    /// Name, status, numbers of its work items.
    pub(super) modules: &'static [(&'static str, &'static str, &'static [u64])],
    /// In the order of their numbers, from 1.
    pub(super) items: &'static [ItemText],
}

pub(super) struct ItemText {
    pub(super) name: &'static str,
    pub(super) html: &'static str,
    pub(super) priority: &'static str,
    pub(super) state: &'static str,
    pub(super) author: &'static str,
    pub(super) assignees: &'static [&'static str],
    pub(super) labels: &'static [&'static str],
    pub(super) parent: Option<u64>,
    pub(super) hours_old: i64,
    /// Author and HTML, oldest first.
    pub(super) comments: &'static [(&'static str, &'static str)],
    /// Title and address.
    pub(super) links: &'static [(&'static str, &'static str)],
    /// Relation type and the other item's number.
    pub(super) relations: &'static [(&'static str, u64)],
    /// Name, media type and size in bytes.
    pub(super) attachments: &'static [(&'static str, &'static str, u64)],
}

/// What most items have none of.
const PLAIN: ItemText = ItemText {
    name: "",
    html: "<p></p>",
    priority: "none",
    state: "Backlog",
    author: "ada",
    assignees: &[],
    labels: &[],
    parent: None,
    hours_old: 24,
    comments: &[],
    links: &[],
    relations: &[],
    attachments: &[],
};

/// Name, group and colour of Plane's default states, in board order.
pub(super) const STATES: [(&str, &str, &str); 5] = [
    ("Backlog", "backlog", "#60646C"),
    ("Todo", "unstarted", "#60646C"),
    ("In Progress", "started", "#F59E0B"),
    ("Done", "completed", "#46A758"),
    ("Cancelled", "cancelled", "#9AA4BC"),
];

pub(super) const MOBILE: ProjectText = ProjectText {
    identifier: "MOB",
    name: "Mobile App",
    description: "The Acme shopping app for iOS and Android",
    page: (
        "How we work",
        "<h2>Triage</h2><ul><li>Anything that stops a purchase is <strong>urgent</strong>.</li>\
         <li>A crash without steps goes back to its author with <code>needs-info</code>.</li></ul>",
    ),
    timezone: "Europe/Stockholm",
    people: &[
        ("Ada", "Okafor", 20),
        ("Maya", "Lindqvist", 15),
        ("Bob", "Tanaka", 15),
        ("Noor", "Haddad", 15),
        ("Luis", "Prado", 5),
    ],
    labels: &[
        ("bug", "#E5484D"),
        ("feature", "#3E63DD"),
        ("crash", "#B42318"),
        ("performance", "#F76B15"),
        ("android", "#46A758"),
        ("ios", "#8E8C99"),
        ("needs-info", "#FFB224"),
        ("good-first-task", "#12A594"),
    ],
    cycles: &[("Sprint 12", -5, &[1, 4, 5, 9]), ("Sprint 13", 9, &[2, 11]), ("Sprint 11", -19, &[8])],
    modules: &[("Checkout", "in-progress", &[1, 8, 11]), ("Accessibility", "planned", &[])],
    items: &[
        ItemText {
            name: "Redesign the checkout screen",
            html: "<div><p>Checkout takes <strong>five taps</strong>; the goal is three.</p><ul><li>Address and payment \
                   on one screen</li><li>Remember the last delivery slot</li><li>Show the total early</li></ul></div>",
            priority: "high",
            state: "In Progress",
            assignees: &["noor", "bob"],
            labels: &["feature"],
            hours_old: 24 * 21,
            comments: &[
                (
                    "noor",
                    "<p>First screens are in the design file. The saved address card still needs an empty state.</p>",
                ),
                ("ada", "<p>Looks good. Please keep the promo code field, finance asked for it.</p>"),
            ],
            links: &[("Checkout screens", "https://design.example.test/checkout-v3")],
            ..PLAIN
        },
        ItemText {
            name: "Dark mode",
            html: "<div><p>Follow the system setting, with a switch in Settings.</p><p>Product photos need a lighter \
                   frame on black.</p></div>",
            priority: "medium",
            state: "Todo",
            author: "maya",
            assignees: &["noor"],
            labels: &["feature", "ios", "android"],
            hours_old: 24 * 30,
            comments: &[("luis", "<p>Support gets about ten requests for this a week.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "App crashes when I open the cart after changing the language",
            html: "<div><p>Since the update this morning the app closes by itself. It happens every time:</p>\
                   <ol><li>Settings, Language, choose <em>Deutsch</em></li><li>Go back to the shop</li><li>Open the \
                   cart with at least one item in it</li></ol><p><strong>Expected:</strong> the cart opens.<br>\
                   <strong>What happens:</strong> the app disappears.</p><p>Version 4.2.0 (build 1187), Pixel 8, Android \
                   15. A customer sent this log:</p><pre><code>FATAL EXCEPTION: main\n\
                   java.lang.IllegalFormatException: unknown format conversion '%,'\n  at \
                   shop.acme.cart.PriceFormatter.format(PriceFormatter.kt:48)\n  at \
                   shop.acme.cart.CartViewModel.render(CartViewModel.kt:112)</code></pre></div>",
            author: "luis",
            hours_old: 5,
            comments: &[
                ("luis", "<p>Three more customers wrote about it today, all with German or French.</p>"),
                ("bob", "<p>Smells like the number format change in 4.2.0. I have not looked yet.</p>"),
            ],
            ..PLAIN
        },
        ItemText {
            name: "Push notifications arrive twice on Android",
            html: "<div><p>Order updates show up twice when the app is in the background. Both have the same order \
                   number.</p></div>",
            priority: "medium",
            state: "Todo",
            author: "luis",
            assignees: &["bob"],
            labels: &["bug", "android"],
            hours_old: 24 * 9,
            comments: &[("bob", "<p>We register the token at login <em>and</em> at start. One of them should go.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "Crash in cart: PriceFormatter throws for German locale",
            html: "<div><p>Crash reports show 214 crashes in 6 hours in <code>PriceFormatter.format</code>, all on \
                   4.2.0 and all with a locale that writes a decimal comma.</p><p>First seen with build 1187.</p></div>",
            priority: "urgent",
            state: "In Progress",
            author: "bob",
            assignees: &["bob"],
            labels: &["bug", "crash", "android"],
            hours_old: 7,
            comments: &[
                ("bob", "<p>Reproduced in the emulator. The pattern is built from the translated string.</p>"),
                ("ada", "<p>Please aim for a hotfix 4.2.1 today.</p>"),
            ],
            links: &[("Crash group 8841", "https://crashes.example.test/groups/8841")],
            attachments: &[("crash-8841.log", "text/plain", 48_213), ("cart-de.png", "image/png", 907)],
            ..PLAIN
        },
        ItemText {
            name: "Product list stutters while scrolling",
            html: "<div><p>Frames take up to 60 ms on older phones once images load.</p></div>",
            priority: "low",
            labels: &["performance"],
            author: "noor",
            hours_old: 24 * 14,
            ..PLAIN
        },
        ItemText {
            name: "Let people sort the wish list",
            html: "<div><p>By date added, price and name.</p></div>",
            priority: "low",
            author: "maya",
            labels: &["feature", "good-first-task"],
            hours_old: 24 * 40,
            ..PLAIN
        },
        ItemText {
            name: "Move the address form into its own component",
            html: "<div><p>Checkout and profile carry two copies of it. Part of the checkout work.</p></div>",
            priority: "medium",
            state: "Done",
            author: "noor",
            assignees: &["noor"],
            parent: Some(1),
            hours_old: 24 * 18,
            comments: &[("noor", "<p>Merged, both screens use it now.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "Payment sheet does not open on iOS 18",
            html: "<div><p>Tapping <strong>Pay</strong> does nothing on some phones. No log so far.</p></div>",
            priority: "high",
            state: "Todo",
            author: "luis",
            labels: &["bug", "ios", "needs-info"],
            hours_old: 24 * 3,
            relations: &[("relates_to", 1)],
            comments: &[("maya", "<p>Which phones? We could not see it on a 15 Pro.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "Drop support for Android 8",
            html: "<div><p>0.4 % of sessions last month. Frees us from two workarounds.</p></div>",
            state: "Cancelled",
            labels: &["android"],
            hours_old: 24 * 60,
            comments: &[("ada", "<p>Not this year: a partner still ships tablets with it.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "Show delivery time on the product page",
            html: "<div><p>People open the cart only to see when it would arrive.</p></div>",
            priority: "medium",
            author: "maya",
            labels: &["feature"],
            hours_old: 24 * 6,
            relations: &[("blocked_by", 1)],
            ..PLAIN
        },
    ],
};

pub(super) const WEB: ProjectText = ProjectText {
    identifier: "WEB",
    name: "Website",
    description: "The public website of Globex",
    page: ("House rules", "<p>We write to customers in plain words.</p>"),
    timezone: "UTC",
    people: &[("Ines", "Moreau", 20), ("Maya", "Okada", 15), ("Tom", "Berg", 15)],
    labels: &[("bug", "#E5484D"), ("content", "#3E63DD"), ("accessibility", "#12A594")],
    cycles: &[],
    modules: &[],
    items: &[
        ItemText {
            name: "Contact form answers 500 when the phone number is empty",
            html: "<div><p>Leave the phone number out and press <strong>Send</strong>.</p></div>",
            author: "tom",
            hours_old: 20,
            comments: &[("ines", "<p>We lose enquiries through this.</p>")],
            ..PLAIN
        },
        ItemText {
            name: "Footer links have too little contrast",
            html: "<div><p>Grey on grey: 2.9 to 1.</p></div>",
            priority: "low",
            state: "Todo",
            author: "maya",
            assignees: &["tom"],
            labels: &["accessibility"],
            hours_old: 24 * 12,
            ..PLAIN
        },
        ItemText {
            name: "Write the page about the new warehouse",
            html: "<div><p>Three paragraphs and two photos.</p></div>",
            author: "ines",
            labels: &["content"],
            hours_old: 24 * 2,
            ..PLAIN
        },
    ],
};
