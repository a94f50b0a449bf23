"""The words that gold questions are made of. Part of the version: a change here is a new GOLD_VERSION."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
NAMES = (
    *("Alice", "Ben", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack", "Karen", "Leo"),
    *("Maria", "Noah", "Olga", "Peter", "Rosa", "Sam", "Tina", "Victor", "Wendy", "Yusuf", "Zoe", "Omar"),
)
# Lower-case ASCII, 3 to 9 letters, no two equal; at least four first letters differ in any larger draw.
WORDS = (
    *("apple", "arrow", "banana", "basket", "bread", "bridge", "butter", "camera", "candle", "carpet"),
    *("castle", "chair", "cherry", "circle", "clock", "cloud", "coffee", "corn", "dance", "desk"),
    *("dinner", "doctor", "dog", "door", "dragon", "eagle", "earth", "elephant", "engine", "farm"),
    *("feather", "field", "finger", "fire", "fish", "flower", "forest", "fox", "garden", "glass"),
    *("gold", "grape", "grass", "guitar", "hammer", "hat", "heart", "horse", "house", "ice"),
    *("island", "jacket", "juice", "kettle", "key", "kitchen", "kite", "lamp", "leaf", "lemon"),
    *("letter", "lion", "market", "milk", "mirror", "monkey", "moon", "morning", "mountain", "mouse"),
    *("music", "needle", "nest", "night", "nose", "notebook", "ocean", "onion", "orange", "paper"),
    *("pencil", "piano", "pillow", "planet", "potato", "queen", "rabbit", "rain", "ring", "river"),
    *("road", "rocket", "rose", "salt", "school", "shirt", "silver", "snow", "soup", "spider"),
    *("spoon", "star", "stone", "summer", "table", "tiger", "tomato", "tower", "train", "tree"),
    *("umbrella", "valley", "village", "violin", "water", "whale", "wheel", "window", "winter", "yellow"),
)
