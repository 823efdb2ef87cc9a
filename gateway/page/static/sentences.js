// Sentences of many lengths, by their language.

export const SENTENCES = {
  en: [
    "A dog sleeps.",
    "Two men are playing guitar in the park.",
    "The woman in the red coat is reading a book while she waits for the train.",
    "It is raining.",
    "A little girl in a yellow dress runs across the wet grass with her brown dog.",
    "Three children are eating ice cream.",
    "An old man with a grey beard is sitting on a bench and looks at the boats in the harbour.",
    "The cat is under the table.",
    "A group of young people is standing in front of a small shop on a busy street.",
    "She laughs.",
    "A cyclist in a blue shirt rides down a steep mountain road.",
  ],
  fr: [
    "Un chien dort.",
    "Deux hommes jouent de la guitare dans le parc.",
    "La femme au manteau rouge lit un livre pendant qu'elle attend le train.",
    "Il pleut.",
    "Une petite fille en robe jaune court dans l'herbe mouillée avec son chien brun.",
    "Trois enfants mangent une glace.",
    "Un vieil homme à la barbe grise est assis sur un banc et regarde les bateaux du port.",
    "Le chat est sous la table.",
    "Un groupe de jeunes se tient devant un petit magasin dans une rue animée.",
    "Elle rit.",
    "Un cycliste en chemise bleue descend une route de montagne escarpée.",
  ],
};
