"""Our own sentences for the text channels of the `released` protocol, in place of the author's.

The paper's code gave phase 2 three written sentences a genre, and phase 3 one constant sentence each for five
genres: text that depends on nothing but the label.  These sentences play that part; they are ours.
"""

TEMPLATES: dict[str, tuple[str, str, str]] = {
    "blues": (
        "I woke up alone this morning and the rain would not let me be.",
        "My baby caught the last train south and left her trouble here with me.",
        "Old guitar on a wooden porch, moaning low about a hard-luck life.",
    ),
    "classical": (
        "Strings rise softly over the horns as the second movement opens.",
        "A solo violin answers the orchestra in a slow minor theme.",
        "The pianist lets the last chord of the sonata fade in the concert hall.",
    ),
    "country": (
        "My pickup truck knows every mile of gravel to the farm.",
        "Mama sang in the kitchen while daddy fixed the fence.",
        "A steel guitar, a cold beer and a small town Friday night.",
    ),
    "disco": (
        "The mirror ball is turning and nobody wants to go home.",
        "Four on the floor, hands in the air, we are dancing until dawn.",
        "Put on your platform shoes and let the groove carry you away.",
    ),
    "hiphop": (
        "I grab the mic and spit these rhymes over a heavy drum loop.",
        "From the block to the top, my crew never stopped the hustle.",
        "The DJ cuts the record and the whole corner nods along.",
    ),
    "jazz": (
        "A muted trumpet wanders through smoke above the walking bass.",
        "The saxophone bends the melody and the brushes whisper behind it.",
        "After midnight the quartet stretches the standard into something new.",
    ),
    "metal": (
        "Iron thunder breaks the gates while the fires of war consume the sky.",
        "Scream into the void, the serpent wakes beneath the stone.",
        "Double kick and blackened strings march the legions to the grave.",
    ),
    "pop": (
        "You light up my whole world every time you call my name.",
        "Turn the radio up, this is our song for the summer.",
        "My heart keeps skipping beats whenever you are close to me.",
    ),
    "reggae": (
        "One drop rhythm by the sea, peace and unity for every nation.",
        "Babylon may fall but we keep singing redemption in the sun.",
        "Easy skanking on the offbeat, good vibes across the island.",
    ),
    "rock": (
        "Plug it in, turn it loud, we own the highway tonight.",
        "Broken amplifiers and a restless heart that will not settle down.",
        "The crowd is roaring as the guitar solo tears the roof away.",
    ),
}

CONSTANTS: dict[str, str] = {
    "blues": "A slow song about sorrow, lost love and a long road home.",
    "classical": "A piece for orchestra without any words.",
    "disco": "A glittering song for dancing all night under the lights.",
    "jazz": "An improvised tune that swings between brass, piano and bass.",
    "reggae": "A laid-back island song of hope, faith and freedom.",
}
